//! Compiling on other threads: every job ends in one way, and what was overtaken is not installed.

use jit_runtime::tier::{Assumptions, Finished, JobError, JobStats, Jobs, Premise, Ticket};
use jit_runtime::transition::{Machine, Safepoint};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// The next job that ends. The queue itself never waits, so the test asks again.
fn next<S: Send + 'static, O: Send + 'static, K>(
    jobs: &mut Jobs<S, O>,
    at: &Safepoint<'_>,
    assumptions: &Assumptions<K>,
) -> Finished<O> {
    loop {
        match jobs.finished(at, assumptions) {
            Some(finished) => return finished,
            None => std::thread::yield_now(),
        }
    }
}

/// A job that a test holds: it says when it has begun, and ends when the test lets it.
struct Held {
    begun: Sender<()>,
    go: Receiver<u32>,
}

/// A held job, what tells that it has begun, and what lets it go.
fn held() -> (Held, Receiver<()>, Sender<u32>) {
    let ((begun, has_begun), (let_go, go)) = (channel(), channel());
    (Held { begun, go }, has_begun, let_go)
}

/// Workers that do what the test says, and panic with what is odd.
fn workers(count: NonZeroUsize, capacity: usize) -> Jobs<Held, u32> {
    let make = || {
        |held: Held| {
            // A test that only wants a result does not listen.
            let _ = held.begun.send(());
            let value = held.go.recv().expect("the test lets every job go that it waits for");
            if value % 2 == 1 {
                resume_unwind(Box::new(format!("{value} is odd")));
            }
            value / 2
        }
    };
    Jobs::start(count, capacity, make).expect("a thread")
}

#[test]
fn a_result_is_ready_or_was_overtaken() {
    let mut machine = Machine::new(0);
    let at = Safepoint::outside(&mut machine).expect("nothing is entered");
    let mut assumptions = Assumptions::<usize>::new();
    let (one, other) = (assumptions.state(), assumptions.state());
    let mut jobs = workers(ONE, 8);
    for change in [None, Some(one), Some(other)] {
        let (job, has_begun, go) = held();
        let premises = vec![assumptions.premise(one)];
        let ticket = jobs.submit(job, premises.clone()).expect("room");
        has_begun.recv().expect("the worker begins");
        assert!(jobs.finished(&at, &assumptions).is_none(), "it is at work");
        if let Some(fact) = change {
            assert!(assumptions.refute(fact).is_empty());
        }
        go.send(42).expect("the worker waits");
        let finished = next(&mut jobs, &at, &assumptions);
        assert_eq!((finished.ticket, finished.premises), (ticket, premises));
        match finished.result {
            Ok(value) => assert!(value == 21 && change != Some(one)),
            Err(JobError::Overtaken(outdated)) => {
                assert!(outdated.assumption == one && change == Some(one));
            }
            Err(other) => panic!("{other}"),
        }
    }
    let stats = JobStats { submitted: 3, ready: 2, overtaken: 1, ..JobStats::default() };
    assert_eq!((jobs.pending(), jobs.shut_down()), (0, stats));
}

#[test]
fn a_panic_is_a_value_and_the_worker_goes_on_with_a_new_function() {
    let mut machine = Machine::new(0);
    let at = Safepoint::outside(&mut machine).expect("nothing is entered");
    let assumptions = Assumptions::<usize>::new();
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let make = move || {
        count.fetch_add(1, Ordering::Relaxed);
        let mut calls = 0;
        move |panics: bool| {
            calls += 1;
            if panics {
                resume_unwind(Box::new("as it was told"));
            }
            calls
        }
    };
    let mut jobs = Jobs::start(ONE, 8, make).expect("a thread");
    for panics in [false, false, true, false] {
        jobs.submit(panics, vec![]).expect("room");
    }
    let results: Vec<_> = (0..4).map(|_| next(&mut jobs, &at, &assumptions).result).collect();
    let texts = results.iter().map(|r| r.as_ref().map_err(ToString::to_string)).collect::<Vec<_>>();
    let panicked = Err("the job panicked: as it was told".to_owned());
    assert_eq!(texts, [Ok(&1), Ok(&2), panicked, Ok(&1)], "what panicked is not called again");
    assert_eq!(made.load(Ordering::Relaxed), 2);
    assert_eq!(jobs.stats(), JobStats { submitted: 4, ready: 3, panicked: 1, ..JobStats::default() });
}

#[test]
fn a_full_queue_gives_the_snapshot_back() {
    let mut machine = Machine::new(0);
    let at = Safepoint::outside(&mut machine).expect("nothing is entered");
    let assumptions = Assumptions::<usize>::new();
    let mut jobs: Jobs<Box<u32>, u32> = Jobs::start(ONE, 2, || |n: Box<u32>| *n + 1).expect("a thread");
    jobs.submit(Box::new(1), vec![]).expect("room");
    jobs.submit(Box::new(2), vec![]).expect("room");
    // However far the worker is: a result that nobody fetched counts.
    let refused = jobs.submit(Box::new(3), vec![]).expect_err("two are pending");
    assert_eq!((*refused.snapshot, refused.capacity), (3, 2));
    assert!(refused.to_string().starts_with("2 jobs are pending"), "{refused}");
    assert_eq!(next(&mut jobs, &at, &assumptions).result.ok(), Some(2));
    jobs.submit(refused.snapshot, vec![]).expect("room again");
    assert_eq!(next(&mut jobs, &at, &assumptions).result.ok(), Some(3));
    assert_eq!(next(&mut jobs, &at, &assumptions).result.ok(), Some(4));
    let stats = JobStats { submitted: 3, refused: 1, ready: 3, ..JobStats::default() };
    assert_eq!(jobs.shut_down(), stats);
}

#[test]
fn a_job_is_cancelled_before_it_begins_or_at_work() {
    let mut machine = Machine::new(0);
    let at = Safepoint::outside(&mut machine).expect("nothing is entered");
    let assumptions = Assumptions::<usize>::new();
    let mut jobs = workers(ONE, 8);
    let ((first, has_begun, go), (second, ..), (third, _, go_third)) = (held(), held(), held());
    let first = jobs.submit(first, vec![]).expect("room");
    let second = jobs.submit(second, vec![]).expect("room");
    let third = jobs.submit(third, vec![]).expect("room");
    has_begun.recv().expect("the worker begins");
    assert!(jobs.cancel(second).is_some(), "no worker has it: it comes back");
    assert!(jobs.cancel(first).is_none(), "it is at work");
    assert!(jobs.cancel(first).is_none() && jobs.cancel(second).is_none(), "once is enough");
    assert_eq!((jobs.pending(), jobs.stats().cancelled), (2, 2));
    go.send(2).expect("the worker waits");
    go_third.send(4).expect("the channel is open");
    let finished = next(&mut jobs, &at, &assumptions);
    assert_eq!((finished.ticket, finished.result.ok()), (third, Some(2)), "the cancelled one is not seen");
    assert!(jobs.cancel(third).is_none());
    let stats = JobStats { submitted: 3, ready: 1, cancelled: 2, ..JobStats::default() };
    assert_eq!((jobs.pending(), jobs.shut_down()), (0, stats));
}

/// Dropping the queue waits for the worker, and what never began is dropped.
#[test]
fn no_thread_outlives_its_queue() {
    let alive = Arc::new(());
    let (begun, has_begun) = channel();
    let make = move || {
        let begun = begun.clone();
        move |snapshot: Arc<()>| {
            begun.send(()).expect("the test listens");
            std::thread::yield_now();
            drop(snapshot);
        }
    };
    let mut jobs = Jobs::start(ONE, 8, make).expect("a thread");
    for _ in 0..5 {
        jobs.submit(Arc::clone(&alive), vec![]).expect("room");
    }
    has_begun.recv().expect("the worker begins");
    let stats = jobs.shut_down();
    assert_eq!(Arc::strong_count(&alive), 1, "no job is left anywhere");
    assert_eq!((stats.submitted, stats.cancelled), (5, 5), "none was fetched");
}

/// A queue may go in a job of its own, which nobody can wait for then: the worker ends behind it.
#[test]
fn a_job_may_drop_its_queue() {
    type Job = Box<dyn FnOnce() + Send>;
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let make = move || {
        let _held = Arc::clone(&held);
        |job: Job| job()
    };
    let mut jobs: Jobs<Job, ()> =
        Jobs::start(NonZeroUsize::new(2).expect("not 0"), 8, make).expect("threads");
    let (hand_over, its_own) = channel::<Jobs<Job, ()>>();
    let (say, told) = channel();
    let job = move || {
        let dropped =
            catch_unwind(AssertUnwindSafe(|| drop(its_own.recv().expect("the test hands it over"))));
        say.send(dropped.is_ok()).expect("the test listens");
    };
    jobs.submit(Box::new(job), vec![]).expect("room");
    hand_over.send(jobs).expect("the job waits");
    assert_eq!(told.recv(), Ok(true));
    // What makes functions goes with the last worker.
    while Arc::strong_count(&alive) > 1 {
        std::thread::yield_now();
    }
}

/// Snapshots that panic when they are dropped: all are dropped, and no thread is left when the first panic goes on.
#[test]
fn no_thread_outlives_its_queue_whatever_panics() {
    /// The worker waits until the last of them is dropped, and the sender with it.
    struct Panics(Arc<AtomicUsize>, #[expect(dead_code, reason = "held")] Sender<()>);
    impl Drop for Panics {
        fn drop(&mut self) {
            let nth = self.0.fetch_add(1, Ordering::Relaxed);
            resume_unwind(Box::new(nth));
        }
    }
    let (dropped, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let held = Arc::clone(&alive);
    let (begun, has_begun) = channel();
    let (let_go, go) = channel::<()>();
    let parts = Mutex::new(Some((begun, go)));
    let make = move || {
        let _held = Arc::clone(&held);
        let (begun, go) = parts.lock().unwrap().take().expect("there is one worker");
        move |snapshot: Option<Panics>| {
            assert!(snapshot.is_none(), "the others wait");
            begun.send(()).expect("the test listens");
            go.recv().expect_err("nothing is sent");
        }
    };
    let mut jobs = Jobs::start(ONE, 8, make).expect("a thread");
    jobs.submit(None, vec![]).expect("room");
    has_begun.recv().expect("the worker begins");
    for _ in 0..3 {
        jobs.submit(Some(Panics(Arc::clone(&dropped), let_go.clone())), vec![]).expect("room");
    }
    drop(let_go);
    let panic = catch_unwind(AssertUnwindSafe(|| drop(jobs))).expect_err("a snapshot panics");
    assert_eq!(panic.downcast_ref::<usize>(), Some(&0), "the first");
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
    assert_eq!(Arc::strong_count(&alive), 1, "no thread is left");
}

/// Jobs in flight, with what they were submitted with, and the account as it should be.
struct Traffic {
    jobs: Jobs<u32, u32>,
    assumptions: Assumptions<usize>,
    submitted: BTreeMap<Ticket, (u32, Premise)>,
    account: JobStats,
}

impl Traffic {
    /// Three workers that add one, and panic with multiples of five.
    fn new() -> Traffic {
        let work = || {
            |n: u32| {
                if n.is_multiple_of(5) {
                    resume_unwind(Box::new("a multiple of five"));
                }
                n + 1
            }
        };
        let jobs = Jobs::start(NonZeroUsize::new(3).expect("not 0"), 4, work).expect("threads");
        let account = JobStats::default();
        Traffic { jobs, assumptions: Assumptions::new(), submitted: BTreeMap::new(), account }
    }

    fn submit(&mut self, n: u32, premise: Premise) {
        match self.jobs.submit(n, vec![premise]) {
            Ok(ticket) => {
                self.account.submitted += 1;
                self.submitted.insert(ticket, (n, premise));
            }
            Err(refused) => {
                self.account.refused += 1;
                assert!(refused.snapshot == n && self.jobs.pending() == 4);
            }
        }
    }

    fn cancel_the_oldest(&mut self) {
        if let Some((ticket, (n, _))) = self.submitted.pop_first() {
            assert!(self.jobs.cancel(ticket).is_none_or(|back| back == n));
            self.account.cancelled += 1;
        }
    }

    fn ended(&mut self, finished: Finished<u32>) {
        let (n, premise) = self.submitted.remove(&finished.ticket).expect("it ends once");
        let (panics, holds) = (n.is_multiple_of(5), self.assumptions.holds(&premise));
        let (count, right) = match finished.result {
            Ok(value) => (&mut self.account.ready, !panics && holds && value == n + 1),
            Err(JobError::Panicked(_)) => (&mut self.account.panicked, panics),
            Err(JobError::Overtaken(_)) => (&mut self.account.overtaken, !panics && !holds),
            Err(other) => panic!("{other}"),
        };
        *count += 1;
        assert!(right, "{n}");
    }
}

/// Random traffic with several workers: every job ends once, as it should, and the account adds up.
#[test]
fn the_account_adds_up() {
    let mut machine = Machine::new(0);
    let at = Safepoint::outside(&mut machine).expect("nothing is entered");
    arbtest::arbtest(|u| {
        let mut traffic = Traffic::new();
        let facts = [traffic.assumptions.state(), traffic.assumptions.state()];
        for _ in 0..u.int_in_range(0..=20)? {
            let fact = *u.choose(&facts)?;
            match u.int_in_range(0..=5)? {
                0..=2 => traffic.submit(u.int_in_range(0..=30)?, traffic.assumptions.premise(fact)),
                3 => drop(traffic.assumptions.refute(fact)),
                4 => traffic.cancel_the_oldest(),
                _ => {
                    if let Some(finished) = traffic.jobs.finished(&at, &traffic.assumptions) {
                        traffic.ended(finished);
                    }
                }
            }
        }
        if u.arbitrary()? {
            while !traffic.submitted.is_empty() {
                let finished = next(&mut traffic.jobs, &at, &traffic.assumptions);
                traffic.ended(finished);
            }
        }
        let mut account = traffic.account;
        account.cancelled += traffic.submitted.len() as u64;
        assert_eq!(traffic.jobs.shut_down(), account);
        assert_eq!(
            account.submitted,
            account.ready + account.overtaken + account.panicked + account.cancelled
        );
        Ok(())
    })
    .budget_ms(1000);
}
