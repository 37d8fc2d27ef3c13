//! Plots of the media bench: cost a packet over streams, delay by percentile. Shell: writes SVG files.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::generator::Pace;
use super::tally::Tally;
use super::{Contender, RELAY, Scenario};
use crate::report::Section;

/// Draws all plots; the section says where they are, or why one is not.
pub(super) fn draw(tallies: &[(&Scenario, Tally)], folder: &Path) -> Section {
    let mut section = Section::new("Media: plots", &[]);
    let plots: [(&str, Drawing); 3] = [
        ("relay-saturated.svg", |tallies, file| cost(tallies, file, true)),
        ("relay-paced.svg", |tallies, file| cost(tallies, file, false)),
        ("relay-delay.svg", delays),
    ];
    for (name, drawing) in plots {
        let file = folder.join(name);
        let drawn = fs::create_dir_all(folder).map_err(Into::into);
        match drawn.and_then(|()| drawing(tallies, &file)) {
            Ok(()) => section.note(format!("{}", file.display())),
            Err(error) => section.note(format!("{name}: NOT DRAWN: {error}.")),
        }
    }
    section
}

type Outcome = Result<(), Box<dyn Error>>;
type Drawing = fn(&[(&Scenario, Tally)], &Path) -> Outcome;
type Line = (Contender, Vec<(f64, f64)>);

const SIZE: (u32, u32) = (880, 520);

/// CPU nanoseconds a packet over the number of streams.
fn cost(tallies: &[(&Scenario, Tally)], file: &Path, saturated: bool) -> Outcome {
    let chosen: Vec<_> = relays(tallies, saturated).collect();
    let lines = lines(|contender| {
        let mut points: Vec<_> = chosen
            .iter()
            .filter_map(|(scenario, tally)| Some((scenario.streams as f64, tally.cost(contender)?)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    });
    let load = if saturated { "saturated" } else { "50 packets/s a stream" };
    let title = format!("CPU time a relayed packet, {load}");
    let (right, top) = extent(&lines)?;
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = frame(&area, &title).build_cartesian_2d(0.0..right * 1.05, 0.0..top * 1.4)?;
    chart
        .configure_mesh()
        .x_desc("streams (two a call)")
        .y_desc("CPU ns a packet")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .max_light_lines(1)
        .bold_line_style(FAINT)
        .draw()?;
    for (contender, points) in lines {
        let style = colour(contender).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
            .label(contender.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    legend(&mut chart)?;
    area.present()?;
    Ok(())
}

/// Delay by percentile at the most calls that were paced like calls in every full run.
fn delays(tallies: &[(&Scenario, Tally)], file: &Path) -> Outcome {
    let chosen = relays(tallies, false).find(|(scenario, _)| scenario.streams == DELAY_STREAMS);
    let (_, tally) = chosen.ok_or("the scenario was not run")?;
    let lines = lines(|contender| {
        let point = |(index, quantile): (usize, &(f64, &str))| {
            Some((index as f64, tally.delay_us(contender, quantile.0)?.max(1.0)))
        };
        QUANTILES.iter().enumerate().filter_map(point).collect()
    });
    let (right, top) = extent(&lines)?;
    let title = format!("Delay through the relay, {DELAY_STREAMS} streams at 50 packets/s each");
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = frame(&area, &title)
        .build_cartesian_2d(-0.2..right + 0.2, (1.0..top * 20.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("percentile of packets")
        .y_desc("microseconds, sender to receiver")
        .x_labels(QUANTILES.len())
        .x_label_formatter(&|x| percentile(*x))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .max_light_lines(1)
        .bold_line_style(FAINT)
        .draw()?;
    for (contender, points) in lines {
        let style = colour(contender).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
            .label(contender.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    legend(&mut chart)?;
    area.present()?;
    Ok(())
}

const DELAY_STREAMS: usize = 2_000;
const QUANTILES: &[(f64, &str)] =
    &[(0.50, "50"), (0.75, "75"), (0.90, "90"), (0.99, "99"), (0.999, "99.9"), (1.0, "max")];

fn percentile(x: f64) -> String {
    let is_whole = (x - x.round()).abs() < 0.01 && x > -0.01;
    let label = is_whole.then(|| QUANTILES.get(x.round() as usize)).flatten();
    label.map_or_else(String::new, |(_, name)| (*name).to_owned())
}

fn relays<'a>(
    tallies: &'a [(&'a Scenario, Tally)],
    saturated: bool,
) -> impl Iterator<Item = &'a (&'a Scenario, Tally)> {
    tallies.iter().filter(move |(scenario, _)| {
        scenario.codecs == RELAY && (scenario.pace == Pace::Saturated) == saturated
    })
}

fn lines(points: impl Fn(Contender) -> Vec<(f64, f64)>) -> Vec<Line> {
    let all = Contender::ALL.map(|contender| (contender, points(contender)));
    all.into_iter().filter(|(_, points)| !points.is_empty()).collect()
}

/// Largest x and y.
fn extent(lines: &[Line]) -> Result<(f64, f64), Box<dyn Error>> {
    let points = lines.iter().flat_map(|(_, points)| points);
    let most =
        points.fold((0.0_f64, 0.0_f64), |most, point| (most.0.max(point.0), most.1.max(point.1)));
    if most.1 > 0.0 { Ok(most) } else { Err("nothing was measured".into()) }
}

const FAINT: RGBColor = RGBColor(236, 236, 236);
const FONT: &str = "sans-serif";

const fn colour(contender: Contender) -> RGBColor {
    match contender {
        Contender::IoUring => RGBColor(0, 98, 155),
        Contender::IoUringOneByOne => RGBColor(120, 175, 215),
        Contender::Portable => RGBColor(60, 140, 60),
        Contender::Rtpengine => RGBColor(190, 70, 30),
    }
}

fn frame<'a, 'b, D: DrawingBackend>(
    area: &'a DrawingArea<D, Shift>,
    title: &str,
) -> ChartBuilder<'a, 'b, D> {
    let mut builder = ChartBuilder::on(area);
    builder.caption(title, (FONT, 20)).margin(14).x_label_area_size(44).y_label_area_size(64);
    builder
}

fn legend<'a, D, X, Y>(
    chart: &mut ChartContext<'a, D, Cartesian2d<X, Y>>,
) -> Result<(), DrawingAreaErrorKind<D::ErrorType>>
where
    D: DrawingBackend + 'a,
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .label_font((FONT, 14))
        .draw()
}
