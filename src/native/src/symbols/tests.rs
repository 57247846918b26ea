//! Whole files, made by the compiler of this machine and then damaged.
