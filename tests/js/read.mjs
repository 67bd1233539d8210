// Read arrays of a Zarr v3 store in a folder with zarrita, a reader that shares no code with zarr-python.
//
//     node read.mjs STORE ARRAY...        for example: node read.mjs CrabTracks.zarr 04.09.2023-01-Right/position
//
// Prints one JSON document, {ARRAY: {shape, dtype, values}}. The values are flat, in C order; NaN is null.

import { resolve } from "node:path";
import { FileSystemStore } from "@zarrita/storage";
import * as zarr from "zarrita";

function literal(value) {
  if (typeof value === "bigint") return value.toString(); // JSON.stringify knows no bigint
  if (Number.isNaN(value)) return "null";
  if (value === Infinity || value === -Infinity) return `"${value}"`;
  return JSON.stringify(value);
}

async function read(root, path) {
  const array = await zarr.open.v3(root.resolve(path), { kind: "array" });
  const { data } = await zarr.get(array);
  const values = Array.from(data, literal).join(",");
  return `{"shape":${JSON.stringify(array.shape)},"dtype":${literal(array.dtype)},"values":[${values}]}`;
}

const [store, ...paths] = process.argv.slice(2);
if (store === undefined || paths.length === 0) {
  console.error("usage: node read.mjs STORE ARRAY...");
  process.exit(2);
}
const root = zarr.root(new FileSystemStore(resolve(store)));
const parts = [];
for (const path of paths) parts.push(`${literal(path)}:${await read(root, path)}`);
process.stdout.write(`{${parts.join(",")}}\n`);
