//! Medians, quantiles and ratios.

use std::collections::BTreeMap;

/// What was measured, by the name of the figure; the units are in `figure::COLUMNS`.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// The middle one; of an even number the mean of the two in the middle. None of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => sorted.get(middle).copied(),
        _ => Some((sorted.get(middle - 1)? + sorted.get(middle)?) / 2.0),
    }
}

/// The least value that `share` (0 to 1) of all do not exceed, by nearest rank. None of nothing.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get((rank - 1).min(sorted.len().checked_sub(1)?)).copied()
}

/// What is said of latencies, and of how many at least: of fewer the quantile is only the longest one.
pub(crate) const QUANTILES: [(&str, f64, usize); 3] =
    [("p50_us", 0.5, 1), ("p99_us", 0.99, 100), ("p999_us", 0.999, 1000)];

/// Puts the quantiles of latencies in microseconds among the figures, as far as there are enough of them to tell.
pub(crate) fn latencies(mut times: Vec<f64>, figures: &mut Figures) {
    times.sort_by(f64::total_cmp);
    for (name, share, least) in QUANTILES {
        if let Some(time) = quantile(&times, share).filter(|_| times.len() >= least) {
            figures.insert(name, time);
        }
    }
}

/// The median of each figure over the rounds that have it.
pub(crate) fn medians(rounds: &[Figures]) -> Figures {
    let names: std::collections::BTreeSet<_> = rounds.iter().flat_map(BTreeMap::keys).copied().collect();
    let of = |name| rounds.iter().filter_map(|round| round.get(name).copied()).collect::<Vec<_>>();
    names.into_iter().filter_map(|name| Some((name, median(&of(name))?))).collect()
}

/// The median of each figure's ratio to what `base` had in the same round: what else the machine did then met both.
pub(crate) fn ratios(rounds: &[Figures], base: &[Figures]) -> Figures {
    let pairs: Vec<Figures> = rounds
        .iter()
        .zip(base)
        .map(|(one, other)| {
            let ratio = |name: &&'static str, value: &f64| {
                let base = *other.get(name)?;
                (base > 0.0).then(|| (*name, value / base))
            };
            one.iter().filter_map(|(name, value)| ratio(name, value)).collect()
        })
        .collect();
    medians(&pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_or_the_mean_of_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn a_quantile_is_a_value_that_was_seen() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.5), Some(50.0));
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
        assert_eq!(quantile(&hundred, 0.999), Some(100.0));
        assert_eq!(quantile(&[7.0], 0.5), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_quantile_of_too_few_is_not_said() {
        let mut figures = Figures::new();
        latencies((0..120).map(f64::from).collect(), &mut figures);
        assert_eq!(figures, Figures::from([("p50_us", 59.0), ("p99_us", 118.0)]));
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        let of = |values: [f64; 3]| values.map(|value| Figures::from([("cpu_us", value)])).to_vec();
        // In the third round the machine was twice as slow: the ratio of the medians would be 0.75.
        let ratio = ratios(&of([5.0, 6.0, 20.0]), &of([10.0, 8.0, 40.0]));
        assert_eq!(ratio["cpu_us"], 0.5);
    }

    #[test]
    fn a_figure_that_a_round_lacks_is_left_out_of_it() {
        let rounds = [Figures::from([("p50_us", 1.0), ("errors", 0.0)]), Figures::from([("p50_us", 3.0)])];
        assert_eq!(medians(&rounds), Figures::from([("p50_us", 2.0), ("errors", 0.0)]));
        assert!(!ratios(&rounds, &rounds).contains_key("errors"), "a ratio to nothing is none");
    }
}
