//! One line chart as an SVG file. Shell: writes it.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

/// Titles and scales of a chart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axes<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    /// Whether the y axis is logarithmic.
    pub logarithmic: bool,
    /// Names of x = 0, 1, 2 …; empty where x is a number.
    pub x_names: &'a [&'a str],
}

/// A line through points in the order of their x.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Draws the lines that have points.
///
/// # Errors
/// No line has points, or the file cannot be written.
pub(crate) fn draw(axes: &Axes<'_>, lines: &[Line], file: &Path) -> Result<(), Box<dyn Error>> {
    let points = lines.iter().flat_map(|line| &line.points);
    let (right, top) =
        points.fold((0.0_f64, 0.0_f64), |most, point| (most.0.max(point.0), most.1.max(point.1)));
    if top <= 0.0 {
        return Err("nothing was measured".into());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let across = if axes.x_names.is_empty() { 0.0..right * 1.05 } else { -0.2..right + 0.2 };
    let mut builder = frame(&area, axes.title);
    if axes.logarithmic {
        // Room for the legend above the highest point.
        let up = (floor(lines)..top * 20.0).log_scale();
        fill(builder.build_cartesian_2d(across, up)?, axes, lines)?;
    } else {
        fill(builder.build_cartesian_2d(across, 0.0..top * 1.4)?, axes, lines)?;
    }
    area.present()?;
    Ok(())
}

const SIZE: (u32, u32) = (880, 520);
const FONT: &str = "sans-serif";
const FAINT: RGBColor = RGBColor(228, 228, 228);
/// Colours that differ without red against green.
const COLOURS: &[RGBColor] = &[
    RGBColor(0, 98, 155),
    RGBColor(190, 70, 30),
    RGBColor(60, 140, 60),
    RGBColor(110, 170, 215),
    RGBColor(120, 80, 160),
    RGBColor(90, 90, 90),
];

/// The power of ten below the lowest point.
fn floor(lines: &[Line]) -> f64 {
    let lowest = lines.iter().flat_map(|line| &line.points).map(|point| point.1);
    let lowest = lowest.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    10_f64.powf(lowest.log10().floor())
}

fn frame<'a, 'b, D: DrawingBackend>(
    area: &'a DrawingArea<D, Shift>,
    title: &str,
) -> ChartBuilder<'a, 'b, D> {
    let mut builder = ChartBuilder::on(area);
    builder.caption(title, (FONT, 20)).margin(14).x_label_area_size(44).y_label_area_size(64);
    builder
}

fn fill<'a, D, X, Y>(
    mut chart: ChartContext<'a, D, Cartesian2d<X, Y>>,
    axes: &Axes<'_>,
    lines: &[Line],
) -> Result<(), Box<dyn Error>>
where
    D: DrawingBackend + 'a,
    D::ErrorType: 'static,
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let names = axes.x_names;
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_labels(if names.is_empty() { 12 } else { names.len() })
        .x_label_formatter(&|x| label(*x, names))
        .y_label_formatter(&|y| if *y < 10.0 { format!("{y:.1}") } else { format!("{y:.0}") })
        .max_light_lines(1)
        .bold_line_style(FAINT)
        .draw()?;
    let colours = COLOURS.iter().cycle();
    for (line, colour) in lines.iter().zip(colours).filter(|(line, _)| !line.points.is_empty()) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style).point_size(3))?
            .label(line.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .label_font((FONT, 14))
        .draw()?;
    Ok(())
}

fn label(x: f64, names: &[&str]) -> String {
    if names.is_empty() {
        return format!("{x:.0}");
    }
    let is_whole = (x - x.round()).abs() < 0.01 && x > -0.01;
    let name = is_whole.then(|| names.get(x.round() as usize)).flatten();
    name.map_or_else(String::new, |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: Axes<'_> = Axes { title: "T", x: "x", y: "y", logarithmic: false, x_names: &[] };

    #[test]
    fn a_chart_names_its_lines_and_axes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("plots").join("a.svg");
        let line = Line { name: "ours".to_owned(), points: vec![(1.0, 2.0), (2.0, 3.0)] };
        for logarithmic in [false, true] {
            let axes = Axes { logarithmic, title: "Cost", ..AXES };
            draw(&axes, std::slice::from_ref(&line), &file).expect("drawn");
            let text = fs::read_to_string(&file).expect("written");
            assert!(text.contains("ours") && text.contains("Cost"), "{text}");
        }
    }

    #[test]
    fn nothing_measured_is_not_a_chart() {
        let file = Path::new("/nonexistent/a.svg");
        assert!(draw(&AXES, &[], file).is_err());
    }

    #[test]
    fn named_places_have_labels_and_places_between_have_none() {
        assert_eq!(label(1.0, &["50", "99"]), "99");
        assert_eq!(label(0.5, &["50", "99"]), "");
        assert_eq!(label(-0.2, &["50", "99"]), "");
        assert_eq!(label(2_000.4, &[]), "2000");
    }
}
