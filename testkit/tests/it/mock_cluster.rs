//! The mock cluster.

use testkit::kafka::MockCluster;

use crate::round_trip::{consume, produce, refuses, sorted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mock_cluster_gives_back_what_it_took() {
    let cluster = MockCluster::start(3);
    cluster.create_topic("topic", 3);
    produce(&cluster.address(), "topic", 0..50).await;
    assert_eq!(sorted(consume(&cluster.address(), "topic", "group", 50).await), (0..50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mock_cluster_takes_nothing_while_down_and_goes_on_afterwards() {
    let cluster = MockCluster::start(2);
    cluster.create_topic("topic", 1);
    produce(&cluster.address(), "topic", 0..5).await;

    cluster.all_down();
    assert!(refuses(&cluster.address(), "topic").await);

    cluster.all_up();
    produce(&cluster.address(), "topic", 5..10).await;
    assert_eq!(consume(&cluster.address(), "topic", "group", 10).await, (0..10).collect::<Vec<_>>());
}
