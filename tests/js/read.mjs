// Read arrays of a Zarr v3 store in a folder with zarrita, a reader that shares no code with zarr-python.
//
//     node read.mjs STORE ARRAY...        for example: node read.mjs CrabTracks.zarr 04.09.2023-01-Right/position
//
// Prints one JSON document, {ARRAY: {shape, dtype, values}}. The values are flat, in C order; NaN is null.

import { resolve } from "node:path";
import { FileSystemStore } from "@zarrita/storage";
import * as zarr from "zarrita";

// zarrita cannot open fixed_length_utf32 yet: https://github.com/manzt/zarrita.js/issues/428
async function names(store, path) {
  const { shape, data_type } = JSON.parse(new TextDecoder().decode(await store.get(`/${path}/zarr.json`)));
  const chunk = await store.get(`/${path}/c/0`); // there is one chunk, or none if there are no names
  if (!chunk) return [];
  const zstd = (await zarr.registry.get("zstd")()).fromConfig({});
  const width = data_type.configuration.length_bytes / 4;
  const codes = new Uint32Array((await zstd.decode(chunk)).slice().buffer);
  const name = (i) => String.fromCodePoint(...codes.subarray(i * width, (i + 1) * width)).replace(/\0+$/, "");
  return Array.from({ length: shape[0] }, (_, i) => name(i));
}

function literal(value) {
  if (typeof value === "bigint") return value.toString(); // JSON.stringify knows no bigint
  if (Number.isNaN(value)) return "null";
  if (value === Infinity || value === -Infinity) return `"${value}"`;
  return JSON.stringify(value);
}

async function numbers(store, path) {
  const array = await zarr.open.v3(zarr.root(store).resolve(path), { kind: "array" });
  const { data } = await zarr.get(array);
  return { shape: array.shape, dtype: array.dtype, values: data };
}

async function read(store, path) {
  const metadata = JSON.parse(new TextDecoder().decode(await store.get(`/${path}/zarr.json`)));
  const isText = metadata.data_type.name === "fixed_length_utf32";
  const { shape, dtype, values } = isText
    ? { shape: metadata.shape, dtype: "names", values: await names(store, path) }
    : await numbers(store, path);
  const list = Array.from(values, literal).join(",");
  return `{"shape":${JSON.stringify(shape)},"dtype":${literal(dtype)},"values":[${list}]}`;
}

const [folder, ...paths] = process.argv.slice(2);
if (folder === undefined || paths.length === 0) {
  console.error("usage: node read.mjs STORE ARRAY...");
  process.exit(2);
}
const store = new FileSystemStore(resolve(folder));
const parts = [];
for (const path of paths) parts.push(`${literal(path)}:${await read(store, path)}`);
process.stdout.write(`{${parts.join(",")}}\n`);
