//! What recorders are told, with one for each test.

use std::thread::sleep;

use metrics::with_local_recorder;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;

use super::*;

/// A recorder, which stays where it is: that is how one is told from another.
fn recorder() -> (&'static PrometheusRecorder, PrometheusHandle) {
    recorder_of(PrometheusBuilder::new())
}

fn recorder_of(builder: PrometheusBuilder) -> (&'static PrometheusRecorder, PrometheusHandle) {
    let buckets = |builder: PrometheusBuilder, (name, bounds): (&str, Vec<f64>)| {
        builder.set_buckets_for_metric(metrics_exporter_prometheus::Matcher::Full(name.into()), &bounds).unwrap()
    };
    let recorder = super::buckets().fold(builder, buckets).build_recorder();
    let handle = recorder.handle();
    (Box::leak(Box::new(recorder)), handle)
}

fn metrics(system: &str) -> Metrics {
    Metrics::new(Lease::take(Some(system), &["cpu:0"]).remove(0), 0, 2)
}

fn now() -> Now {
    Now { shards: Vec::new(), arena: None, timers: 0, dead_letters: 0, up: true, launches: 1, standby: None, standby_failures: 0 }
}

/// The value of a series of this system.
fn value(page: &str, name: &str, of: &Metrics) -> Option<f64> {
    let head = format!("{name}{{system=\"{}\",device=\"cpu:0\"", of.label());
    page.lines().find(|line| line.starts_with(&head)).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// MT-3.
#[test]
fn losses_of_systems_on_one_device_are_told_apart() {
    let (recorder, page) = recorder();
    let systems: Vec<_> = (0..3).map(|_| metrics("apart")).collect();
    with_local_recorder(recorder, || {
        for (system, losses) in systems.iter().zip([3, 2, 1]) {
            system.losses(losses - 1, Class::Worker, None);
            system.losses(losses, Class::Worker, None);
            system.report(now());
        }
    });
    let page = page.render();
    let class = "resident_worker_losses_total{system=\"apart-2\",device=\"cpu:0\",class=\"worker\"} 2";
    assert!(page.lines().any(|line| line == class), "{page}");
    let sum = |line: &str| {
        line.starts_with("resident_worker_losses_total{system=\"apart").then(|| line.rsplit(' ').next()?.parse::<u64>().ok()).flatten()
    };
    assert_eq!(page.lines().filter_map(sum).sum::<u64>(), 6);
}

/// MT-3.
#[test]
fn a_system_goes_on_with_the_counters_of_the_one_before() {
    let (recorder, page) = recorder();
    let mut kept = Vec::new();
    for (letters, sum) in [(5, 5.0), (2, 7.0)] {
        let system = metrics("again");
        with_local_recorder(recorder, || system.report(Now { dead_letters: letters, ..now() }));
        assert_eq!(value(&page.render(), "resident_device_launches", &system), Some(1.0));
        with_local_recorder(recorder, || system.end(Now { dead_letters: letters, ..now() }));
        assert_eq!(system.label(), "again");
        assert_eq!(value(&page.render(), "resident_dead_letters_total", &system), Some(sum));
        assert_eq!(value(&page.render(), "resident_device_launches", &system), Some(0.0), "it has ended");
        kept.push(system);
    }
}

/// MT-4.
#[test]
fn a_recorder_that_comes_late_hears_what_was_before() {
    let system = metrics("late");
    system.checkpoint_failed();
    system.faults(FaultClass::Panic, 4);
    system.report(now());
    let (recorder, page) = recorder();
    with_local_recorder(recorder, || system.report(now()));
    let said = page.render();
    assert_eq!(value(&said, "resident_checkpoint_errors_total", &system), Some(1.0));
    assert!(said.contains("class=\"panic\"} 4"), "{said}");
    assert!(said.contains("# HELP resident_checkpoint_errors_total Checkpoints"), "{said}");
    system.checkpoint(Duration::from_secs(1), Duration::from_millis(1), 1, true);
    assert_eq!(value(&page.render(), "resident_checkpoint_seconds_count", &system), Some(1.0));
}

/// MT-4.
#[test]
fn a_series_that_was_dropped_for_its_silence_comes_back() {
    const IDLE: Duration = Duration::from_millis(1);
    let (recorder, page) = recorder_of(PrometheusBuilder::new().idle_timeout(MetricKindMask::ALL, Some(IDLE)));
    let system = metrics("quiet");
    let errors = |page: &str| value(page, "resident_checkpoint_errors_total", &system);
    let checkpoints = |page: &str| value(page, "resident_checkpoint_seconds_count", &system);
    let report = || with_local_recorder(recorder, || system.report(now()));
    system.checkpoint_failed();
    report();
    let said = page.render();
    assert_eq!((errors(&said), checkpoints(&said)), (Some(1.0), Some(0.0)));
    sleep(5 * IDLE);
    let said = page.render();
    assert_eq!((errors(&said), checkpoints(&said)), (None, None), "the recorder drops what is quiet");
    report();
    system.checkpoint(Duration::from_secs(1), Duration::from_millis(1), 1, true);
    let said = page.render();
    assert_eq!((errors(&said), checkpoints(&said)), (Some(1.0), Some(1.0)));
}

/// MT-5.
#[test]
fn whoever_asks_for_numbers_leaves_the_lag_to_the_report() {
    let (recorder, page) = recorder();
    let system = metrics("lag");
    with_local_recorder(recorder, || system.report(now()));
    clock::refresh();
    // A stamp of the year 1970.
    system.taken(0);
    system.count(|_| (0, 0));
    let lags = |page: &str| value(page, "resident_pump_lag_seconds_count", &system);
    assert_eq!(lags(&page.render()), Some(0.0));
    with_local_recorder(recorder, || system.report(now()));
    assert_eq!(lags(&page.render()), Some(1.0));
    with_local_recorder(recorder, || system.report(now()));
    assert_eq!(lags(&page.render()), Some(1.0), "nothing came since");
}

/// MT-2.
#[test]
fn shards_are_summed_and_set_side_by_side() {
    let (recorder, page) = recorder();
    let system = metrics("shards");
    let shard = |handled, busy| Shard { depth: 3, handled, refused: handled / 10, busy, rows: (5, 7) };
    with_local_recorder(recorder, || system.report(now()));
    for shards in [vec![shard(10, 0), shard(1000, 257)], vec![shard(10, 513), shard(3000, 257)]] {
        with_local_recorder(recorder, || system.report(Now { shards, ..now() }));
    }
    let said = page.render();
    let value = |name: &str| value(&said, name, &system);
    assert_eq!((value("resident_frames_handled_total"), value("resident_frames_refused_total")), (Some(3010.0), Some(301.0)));
    assert_eq!((value("resident_shard_handled_frames_sum"), value("resident_shard_handled_frames_count")), (Some(3010.0), Some(4.0)));
    assert_eq!((value("resident_ring_depth_slots_sum"), value("resident_ring_depth_slots_count")), (Some(12.0), Some(4.0)));
    assert_eq!((value("resident_rows_used"), value("resident_rows_free")), (Some(10.0), Some(14.0)));
    assert_eq!(value("resident_busy_shards"), Some(2.0));
    assert!(value("resident_busy_seconds") > Some(0.0), "the second is at the same message");
    assert_eq!(value("resident_standby_ready"), None, "none is asked for");
}

/// MT-2.
#[test]
fn each_takeover_is_timed_once() {
    let (recorder, page) = recorder();
    let system = metrics("takeovers");
    with_local_recorder(recorder, || system.report(now()));
    let took = Some(Duration::from_millis(3));
    for (losses, takeover) in [(1, None), (1, took), (1, took), (2, None), (3, took), (3, took)] {
        system.losses(losses, Class::Trap, takeover);
    }
    with_local_recorder(recorder, || system.report(now()));
    let said = page.render();
    assert_eq!(value(&said, "resident_takeover_seconds_count", &system), Some(2.0), "the second loss had none before the third");
    assert!(said.contains("resident_worker_losses_total{system=\"takeovers\",device=\"cpu:0\",class=\"trap\"} 3"), "{said}");
}

/// MT-6.
#[test]
fn buckets_begin_at_a_microsecond_and_double() {
    let bounds = |of: &str| buckets().find(|(name, _)| *name == of).map(|(_, bounds)| bounds).unwrap();
    let seconds = bounds("resident_call_seconds");
    assert_eq!((seconds[0], seconds[1], seconds[20]), (1e-6, 2e-6, 1.048576));
    assert!(seconds.windows(2).all(|pair| pair[1] == 2.0 * pair[0]) && seconds[26] > 60.0);
    assert!(buckets().all(|(name, bounds)| name.starts_with("resident_") && bounds.is_sorted()));
}
