//! `bindgen MODULE.wasm FOLDER`: writes the module and its JavaScript, for `<script type=module>`.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1);
    let module = args.next().context("usage: bindgen MODULE.wasm FOLDER")?;
    let folder = args.next().context("usage: bindgen MODULE.wasm FOLDER")?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).web(true)?.typescript(false);
    bindgen.generate(folder)
}
