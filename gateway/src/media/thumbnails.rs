//! Sheets of small pictures.

use std::fs;
use std::path::Path;

use super::arguments::texts;
use super::grid::{Grid, layout, sheet_name, sheets};
use super::make::{Output, THUMBNAILS, output, unusable};
use super::{MediaError, Tools};

/// Where each small picture lies until it is on a sheet: as many as could be decoded, which nobody
/// knows before. Without loss, since the sheet has some.
pub(super) const SMALL: &str = "thumbnails/%d.png";

impl Tools {
    /// Puts the small pictures in `folder` onto sheets, and writes their index.
    ///
    /// # Errors
    /// When ffmpeg can't be run or does not end.
    pub(super) async fn thumbnails(
        &self,
        folder: &Path,
        grid: &Grid,
    ) -> Result<Vec<Output>, MediaError> {
        let small = |n: u32| folder.join(format!("thumbnails/{n}.png"));
        let count = (1..).take_while(|n| small(*n).is_file()).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(Vec::new());
        }
        let (columns, rows) = layout(count);
        let tile = format!("tile={columns}x{rows},format=yuvj420p");
        // Our own pictures, so none of the care that a stranger's file needs.
        let arguments = ["-f", "image2", "-i", SMALL, "-vf", &tile, "-q:v", "5"];
        let mut arguments = texts(&arguments);
        arguments.extend(texts(&["-fps_mode", "passthrough", "-f", "image2"]));
        arguments.push("thumbnails/%d.jpg".to_owned());
        self.ffmpeg(folder, arguments).output().await?;
        for n in 1..=count {
            fs::remove_file(small(n)).map_err(unusable)?;
        }
        fs::write(folder.join(THUMBNAILS), grid.index(count)).map_err(unusable)?;
        let sheets = (1..=sheets(count)).map(|sheet| output(sheet_name(sheet), "image/jpeg"));
        Ok(sheets.chain([output(THUMBNAILS, "text/vtt")]).collect())
    }
}
