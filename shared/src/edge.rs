//! Twilio's edges and legacy regions: names for sets of addresses. Pure.

/// One edge: its label in host names, and its other names.
struct Names {
    edge: &'static str,
    others: &'static [&'static str],
}

/// All edges, with the legacy region labels and the private interconnect of each.
const EDGES: &[Names] = &[
    Names { edge: "ashburn", others: &["us1"] },
    Names { edge: "umatilla", others: &["san-jose", "us2"] },
    Names { edge: "dublin", others: &["ie1"] },
    Names { edge: "frankfurt", others: &["de1"] },
    Names { edge: "singapore", others: &["sg1"] },
    Names { edge: "tokyo", others: &["jp1"] },
    Names { edge: "sao-paulo", others: &["br1"] },
    Names { edge: "sydney", others: &["au1"] },
    Names { edge: "roaming", others: &["gll"] },
    Names { edge: "ashburn-ix", others: &["us1-ix"] },
    Names { edge: "san-jose-ix", others: &["us2-ix"] },
    Names { edge: "london-ix", others: &["ie1-ix"] },
    Names { edge: "frankfurt-ix", others: &["de1-ix"] },
    Names { edge: "singapore-ix", others: &["sg1-ix"] },
    Names { edge: "tokyo-ix", others: &["jp1-ix"] },
    Names { edge: "sydney-ix", others: &["au1-ix"] },
];

/// The edge for a host label or the value of an `edge` or `region` parameter. An unknown name is an edge
/// of the operator's own and stands for itself. Lower case in, lower case out.
pub fn canonical(label: &str) -> &str {
    let names = EDGES.iter().find(|names| names.edge == label || names.others.contains(&label));
    names.map_or(label, |names| names.edge)
}

/// Whether the label is an edge or a region of Twilio's.
pub fn is_known(label: &str) -> bool {
    EDGES.iter().any(|names| names.edge == label || names.others.contains(&label))
}

/// Every label that a host may carry after `sip`, edges first.
pub fn labels() -> impl Iterator<Item = &'static str> {
    let others = EDGES.iter().flat_map(|names| names.others.iter().copied());
    EDGES.iter().map(|names| names.edge).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_edges_by_another_name_and_the_operators_own_stay_themselves() {
        for (label, edge) in [
            ("us1", "ashburn"),
            ("ashburn", "ashburn"),
            ("san-jose", "umatilla"),
            ("us1-ix", "ashburn-ix"),
            ("gll", "roaming"),
            ("plant7", "plant7"),
        ] {
            assert_eq!(canonical(label), edge);
        }
        assert!(is_known("br1") && !is_known("plant7"));
        assert!(labels().all(is_known));
    }
}
