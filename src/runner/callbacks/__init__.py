"""Lightning callbacks: checkpoints, averaging, pictures, profiles, and what a resumed run needs to go on exactly."""
