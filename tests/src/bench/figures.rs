//! Medians, how far they spread, and ratios, as a Markdown table.

use std::fmt::{Display, Formatter, Result};

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// How much was done per second.
    pub rate: f64,
    /// Processor time of the server for one of it, in milliseconds.
    pub own: f64,
    /// The same of the S3 server behind it.
    pub store: f64,
    /// The most resident memory of the server meanwhile, in MiB.
    pub peak: f64,
}

/// The measurements of some servers, the gateway first.
#[derive(Debug)]
pub struct Table {
    title: String,
    unit: &'static str,
    rows: Vec<(String, Vec<Figure>)>,
}

impl Table {
    pub fn new(title: &str, unit: &'static str, names: &[&str]) -> Self {
        let rows = names.iter().map(|name| ((*name).to_owned(), Vec::new()));
        Self {
            title: title.to_owned(),
            unit,
            rows: rows.collect(),
        }
    }

    /// Notes the next round's figure of one of them.
    pub fn note(&mut self, place: usize, figure: Figure) {
        if let Some((_, figures)) = self.rows.get_mut(place) {
            figures.push(figure);
        }
    }
}

impl Display for Table {
    fn fmt(&self, to: &mut Formatter<'_>) -> Result {
        let (title, unit) = (&self.title, self.unit);
        let of_one = unit.trim_end_matches("/s");
        writeln!(to, "\n### {title}\n")?;
        writeln!(
            to,
            "| server | {unit} | from – to | gateway ÷ this | from – to | CPU ms/{of_one} | S3 server's | peak MiB |"
        )?;
        writeln!(to, "| --- | --: | --: | --: | --: | --: | --: | --: |")?;
        let gateway: Vec<f64> = self
            .rows
            .first()
            .map(|(_, row)| rates(row))
            .unwrap_or_default();
        for (name, figures) in &self.rows {
            let rates = rates(figures);
            // Of the same round: what slows one down slows its neighbour down.
            let ratios = gateway
                .iter()
                .zip(&rates)
                .map(|(ours, theirs)| ours / theirs);
            let ratios: Vec<f64> = ratios.collect();
            let median_of =
                |part: fn(&Figure) -> f64| median(&figures.iter().map(part).collect::<Vec<f64>>());
            writeln!(
                to,
                "| {name} | {:.0} | {} | {:.2} | {} | {:.2} | {:.2} | {:.0} |",
                median(&rates),
                spread(&rates, 0),
                median(&ratios),
                spread(&ratios, 2),
                median_of(|figure| figure.own),
                median_of(|figure| figure.store),
                median_of(|figure| figure.peak),
            )?;
        }
        Ok(())
    }
}

fn rates(figures: &[Figure]) -> Vec<f64> {
    figures.iter().map(|figure| figure.rate).collect()
}

/// The middle one; of an even number, the mean of the two in the middle. Of none, not a number.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values[..] {
        [] => f64::NAN,
        _ if values.len() % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn spread(values: &[f64], digits: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{least:.digits$} – {most:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: f64) -> Figure {
        Figure {
            rate,
            own: 0.5,
            store: 0.25,
            peak: 20.0,
        }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let mut table = Table::new("Reading", "MiB/s", &["gateway", "other"]);
        for (ours, theirs) in [(10.0, 20.0), (100.0, 100.0), (30.0, 20.0)] {
            table.note(0, rate(ours));
            table.note(1, rate(theirs));
        }
        let table = table.to_string();
        let row = "| other | 20 | 20 – 100 | 1.00 | 0.50 – 1.50 | 0.50 | 0.25 | 20 |\n";
        assert!(table.ends_with(row), "{table}");
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(
            median(&[3.0, 1.0, 2.0]).total_cmp(&2.0),
            std::cmp::Ordering::Equal
        );
        assert_eq!(
            median(&[4.0, 1.0]).total_cmp(&2.5),
            std::cmp::Ordering::Equal
        );
        assert!(median(&[]).is_nan());
    }
}
