//! Writes the CustomResourceDefinitions as YAML, one file each, into the folders given as
//! arguments. `make generate` calls it for `crds/yaml` and the chart.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    for folder in std::env::args_os().skip(1).map(PathBuf::from) {
        fs::create_dir_all(&folder)?;
        for (name, definition) in crds::definitions() {
            fs::write(folder.join(name), crds::to_yaml(&definition)?)?;
        }
    }
    Ok(())
}
