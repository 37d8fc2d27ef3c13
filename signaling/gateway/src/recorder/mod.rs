//! Recordings: frames from the media cores to WAV files. Shell, one thread.
