//! Video: ffprobe and ffmpeg as child processes.
