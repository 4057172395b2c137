"""What surrounds the core's trainer: device, files of the run, log, previews, signals, resuming."""
