//! Careful installations: one role migrates, another is what the program runs as, others read.

use event_log::sqlx::{self, Connection as _, PgConnection};
use event_log::{Access, Database, Grant, Settings};
use testkit::postgres::{Roles, TestDatabase};

use crate::story::changed;
use crate::world::{Held, World};

/// A migrated database, and a world that works on it as the application's role.
async fn with_roles() -> (World, Roles) {
    let database = testkit::postgres::database().await;
    let roles = database.roles().await;
    let owner = Settings::new(database.url_as(&roles.owner), Access::CreateAndMigrate);
    let owner = Database::open(&owner).await.unwrap();
    // To give a table to another role, one must belong to it.
    as_superuser(&database, &format!("GRANT {} TO {}", roles.application, roles.owner)).await;
    owner.grant(&Grant { role: roles.application.clone() }).await.unwrap();
    let world = World::open(database.url_as(&roles.application), Held::Database(database)).await;
    (world, roles)
}

async fn as_superuser(database: &TestDatabase, statement: &str) -> String {
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    let answer = sqlx::query_scalar(statement).fetch_optional(&mut connection).await.unwrap();
    answer.unwrap_or_default()
}

fn database(world: &World) -> &TestDatabase {
    match &world.held {
        Held::Database(database) => database,
        Held::Folder(_) | Held::Nothing => panic!("a world on PostgreSQL has a database"),
    }
}

const OWNER: &str = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'rm_records'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_that_the_program_runs_as_follows_and_rebuilds() {
    let (world, roles) = with_roles().await;
    world.append_all(vec![changed("org-0", "1", Some(1))]).await;
    world.catch_up().await;
    for name in crate::world::NAMES {
        projector::rebuild(&world.log, name, |_| {}).await.unwrap();
    }
    world.append_all(vec![changed("org-0", "1", Some(2))]).await;
    world.catch_up().await;
    assert_eq!(world.told().await["records"][0]["facts"], 2);
    assert_eq!(as_superuser(database(&world), OWNER).await, roles.application);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_by_another_role_leaves_the_table_to_its_owner() {
    let (world, roles) = with_roles().await;
    world.append_all(vec![changed("org-0", "1", Some(1))]).await;
    world.catch_up().await;
    let superuser = World::open(database(&world).url.clone(), Held::Nothing).await;
    projector::rebuild(&superuser.log, "records", |_| {}).await.unwrap();
    assert_eq!(as_superuser(database(&world), OWNER).await, roles.application);
    world.append_all(vec![changed("org-0", "1", Some(2))]).await;
    world.catch_up().await;
    projector::rebuild(&world.log, "records", |_| {}).await.unwrap();
    assert_eq!(world.told().await["records"][0]["facts"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_read_a_table_may_read_it_after_a_rebuild() {
    let (world, roles) = with_roles().await;
    let grant = format!("GRANT SELECT ON rm_records TO {}, PUBLIC", roles.owner);
    as_superuser(database(&world), &grant).await;
    projector::rebuild(&world.log, "records", |_| {}).await.unwrap();
    let rights = "SELECT string_agg(CASE grantee WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(grantee)::text END, ' ' \
                  ORDER BY grantee) FROM pg_class, aclexplode(relacl) WHERE relname = 'rm_records' \
                  AND privilege_type = 'SELECT' AND grantee <> relowner";
    assert_eq!(as_superuser(database(&world), rights).await, format!("everybody {}", roles.owner));
}
