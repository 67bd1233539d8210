"""Loads netCDF files in the GUI of `movement`, on a screen; a program of its own.

    python movement_gui.py RESULT FILE...

Each FILE is loaded with the widget *Load tracked data* of the plugin in napari, as its user would.
Of its layers, the numbers are written to RESULT (.npz), under the names of the layers. Qt can be
started only once in a process, and takes OpenGL down in an order of chance: hence the exit.
"""

import os
import sys
from pathlib import Path

import napari
import numpy as np
from movement.napari.loader_widgets import DataLoader

SOURCE = "movement (netCDF)"


def main(result: Path, files: list[Path]) -> None:
    """Load the files one after the other in one viewer."""
    viewer = napari.Viewer(show=False)
    _, plugin = viewer.window.add_plugin_dock_widget("movement")
    loader = plugin.findChild(DataLoader)
    loader.source_software_combo.setCurrentText(SOURCE)
    found = {}
    for path in files:
        loader.file_path_edit.setText(str(path))
        loader.load_button.click()
        found[f"fps: {path.name}"] = np.asarray(loader.fps_spinbox.value())
        found[f"last frame: {path.name}"] = np.asarray(viewer.dims.range[0].stop)
        for layer in viewer.layers:
            found[layer.name] = np.asarray(layer.data)
        points = viewer.layers[f"points: {path.name}"]
        found[f"individuals: {path.name}"] = points.properties["individual"].astype(np.str_)
        found[f"times: {path.name}"] = points.properties["time"]
        found[f"confidence: {path.name}"] = points.properties["confidence"]
        viewer.layers.clear()
    np.savez(result, **found)  # type: ignore[arg-type]
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    sys.stdout.flush()
    os._exit(0)
