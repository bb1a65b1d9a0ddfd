"""The files of a run, the manifest and the bundle."""
