//! One short program per Nebula crate, in `src/bin`. Each of them runs without any server: `cargo run -p quickstart --bin lock`.
