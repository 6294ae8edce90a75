//! What a camera sees that is held before a ticket.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use fast_qr::{ECL, QRBuilder};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;
/// Pixels for each module of the code.
const MODULE: usize = 9;

/// Writes a second of a film of the code, on white paper before a grey wall, as YUV4MPEG2.
pub fn film(code: &str, file: &Path) {
    let code = QRBuilder::new(code).ecl(ECL::M).build().unwrap();
    let paper = (code.size + 8) * MODULE;
    let (left, top) = ((WIDTH - paper) / 2, (HEIGHT - paper) / 2);
    let mut light = vec![120_u8; WIDTH * HEIGHT];
    for y in 0..paper {
        for x in 0..paper {
            let module = |at: usize| (at / MODULE).checked_sub(4).filter(|at| *at < code.size);
            let dark = module(x).zip(module(y)).is_some_and(|(x, y)| code[y][x].value());
            light[(top + y) * WIDTH + left + x] = if dark { 30 } else { 220 };
        }
    }
    let mut film = BufWriter::new(File::create(file).unwrap());
    writeln!(film, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg").unwrap();
    for _ in 0..10 {
        writeln!(film, "FRAME").unwrap();
        film.write_all(&light).unwrap();
        film.write_all(&[128; WIDTH * HEIGHT / 2]).unwrap();
    }
    film.flush().unwrap();
}
