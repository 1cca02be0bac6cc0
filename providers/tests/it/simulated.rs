//! What works when nothing is wrong, and the simulator has no complaint about it.

use chrono::TimeDelta;
use futures::TryStreamExt;
use providers::clock::Clock;
use providers::error::Error;
use providers::zoho::crm::{ApiName, PendingQuery, RecordId, UpdateOptions, Watch, WatchEvent};
use providers::zoho::workdrive::{ItemFilter, Upload};
use serde_json::{Map, Value, json};
use simulator::control::TreeChange;
use simulator::seed::{EntrySeed, GeneratedSeed, constants};
use simulator::{MigrationOptions, Seed};

use crate::simulated_world::{World, body, content, demo_seed};

const LARGE_BYTES: usize = 11 * 1024 * 1024;

fn name(text: &str) -> ApiName {
    text.parse().unwrap()
}

fn pending() -> PendingQuery {
    PendingQuery {
        module: name(constants::MODULE),
        checkbox_field: name(constants::CHECKBOX_FIELD),
        folder_field: name(constants::FOLDER_FIELD),
        extra_fields: Vec::new(),
    }
}

async fn all_pending(world: &World, limit: u32) -> Vec<RecordId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = world.a.crm().pending(&pending(), after.as_ref(), limit).await.unwrap();
        found.extend(page.records.into_iter().map(|record| record.id));
        after = page.last;
        if !page.more {
            return found;
        }
    }
}

#[tokio::test]
async fn pending_records_are_found_page_by_page_and_vanish_when_ticked() {
    let seed = Seed::migration(&MigrationOptions { records: 45, files_per_folder: 1, ..MigrationOptions::default() });
    let world = World::start(&seed);
    let found = all_pending(&world, 7).await;
    assert_eq!(found.len(), 45);
    assert!(found.iter().collect::<std::collections::HashSet<_>>().len() == 45);
    let ticked = Map::from_iter([(constants::CHECKBOX_FIELD.to_owned(), Value::Bool(true))]);
    let module = name(constants::MODULE);
    let before = world.a.crm().record(&module, &found[0], &[]).await.unwrap().unwrap();
    let updated =
        world.a.crm().update(&module, &found[0], ticked, UpdateOptions::default()).await.unwrap().modified_time;
    assert!(updated >= before.modified_time);
    let fields = [name(constants::CHECKBOX_FIELD), name(constants::FOLDER_FIELD)];
    let records = world.a.crm().records(&module, &found[..2], &fields).await.unwrap();
    assert!(records[0].is_ticked(&fields[0]) && !records[1].is_ticked(&fields[0]));
    assert_eq!(records[0].text(&fields[1]), Some("Customer 0001"));
    assert_eq!(all_pending(&world, 200).await.len(), 44);
    world.assert_well_behaved();
}

#[tokio::test]
async fn a_missing_record_is_none_and_its_update_is_not_found() {
    let world = World::demo();
    let (module, id) = (name(constants::MODULE), "5200000009999999999".parse().unwrap());
    for is_error in [false, true] {
        world.control().set_knobs(json!({"crm": {"unknown_record_is_error": is_error}})).unwrap();
        assert_eq!(world.a.crm().record(&module, &id, &[]).await.unwrap(), None);
    }
    let ticked = Map::from_iter([(constants::CHECKBOX_FIELD.to_owned(), Value::Bool(true))]);
    for status in [400, 200] {
        world.control().set_knobs(json!({"crm": {"all_failed_status": status}})).unwrap();
        let error = world.a.crm().update(&module, &id, ticked.clone(), UpdateOptions::default()).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
}

#[tokio::test]
async fn fields_and_modules_are_checked_by_name() {
    let world = World::demo();
    world.control().set_knobs(json!({"crm": {"coql_requires_where": true}})).unwrap();
    let check = async |module: &str, field: &str| world.a.crm().check_fields(&name(module), &[name(field)]).await;
    check(constants::MODULE, constants::CHECKBOX_FIELD).await.unwrap();
    let field = check(constants::MODULE, "No_Such_Field").await.unwrap_err();
    assert!(matches!(&field, Error::Rejected { field: Some(field), .. } if field == "No_Such_Field"), "{field}");
    let module = check("No_Such_Module", constants::CHECKBOX_FIELD).await.unwrap_err();
    assert!(matches!(&module, Error::Rejected { field: Some(field), .. } if field == "module"), "{module}");
}

#[tokio::test]
async fn a_watch_is_created_extended_listed_and_ended() {
    let world = World::demo();
    let crm = world.a.crm();
    let now = Clock::system().now();
    let mut watch = Watch {
        channel_id: "1000000068001".to_owned(),
        module: name(constants::MODULE),
        events: vec![WatchEvent::Create, WatchEvent::Edit],
        expiry: now + TimeDelta::days(3),
        token: "k8-opaque".into(),
        notify_url: "http://127.0.0.1:1/webhooks/org-a".parse().unwrap(),
    };
    assert!(crm.watch_list(None, None).await.unwrap().is_empty());
    let created = crm.watch_create(&watch).await.unwrap();
    assert!((created.expiry - watch.expiry).abs() < TimeDelta::seconds(2), "{created:?}");
    watch.expiry = now + TimeDelta::days(6);
    let extended = crm.watch_extend(&watch).await.unwrap();
    assert!((extended.expiry - watch.expiry).abs() < TimeDelta::seconds(2), "{extended:?}");
    watch.expiry = now + TimeDelta::days(30);
    let too_long = crm.watch_extend(&watch).await.unwrap();
    assert!(too_long.expiry - now < TimeDelta::hours(2), "asking for too much gives an hour: {too_long:?}");
    let channels = crm.watch_list(Some(&watch.channel_id), Some(&watch.module)).await.unwrap();
    assert_eq!(channels.len(), 1);
    assert_eq!(channels[0].module.as_deref(), Some(constants::MODULE));
    assert_eq!(channels[0].expiry, Some(too_long.expiry));
    assert_eq!(channels[0].notify_url.as_deref(), Some("http://127.0.0.1:1/webhooks/org-a"));
    for _ in 0..2 {
        crm.watch_delete(&[watch.channel_id.clone()]).await.unwrap();
    }
    assert!(crm.watch_list(None, None).await.unwrap().is_empty());
    let gone = crm.watch_extend(&watch).await.unwrap_err();
    assert!(matches!(&gone, Error::Rejected { code, .. } if code == "NOT_SUBSCRIBED"), "{gone}");
    world.assert_well_behaved();
}

#[tokio::test]
async fn an_account_is_probed() {
    let world = World::demo();
    for client in [&world.a, &world.b] {
        let probe = client.probe().await.unwrap();
        assert!(probe.crm.is_ok() && probe.workdrive.is_ok(), "{probe:?}");
    }
    world.assert_well_behaved();
}

#[tokio::test]
async fn folders_are_found_by_search_regardless_of_case() {
    let world = World::demo();
    let folders = world.b.workdrive().list(constants::SOURCE_TEAM_FOLDER_ID, ItemFilter::Folders).await.unwrap();
    assert!(!folders.is_empty() && folders.iter().all(|folder| folder.is_folder && folder.modified.is_some()));
    let wanted = &folders[0];
    let shouted = wanted.name.to_uppercase();
    let found = world.b.workdrive().search_folders_in(constants::SOURCE_TEAM_FOLDER_ID, &shouted).await.unwrap();
    assert!(found.iter().any(|folder| folder.id == wanted.id), "{shouted}: {found:?}");
    world.assert_well_behaved();
}

#[tokio::test]
async fn long_listings_are_complete_and_bounded_by_empty_pages() {
    let world = World::demo();
    let generated = GeneratedSeed {
        in_folder: constants::SOURCE_TEAM_FOLDER_ID.to_owned(),
        path: "Many".to_owned(),
        folders: 0,
        files_per_folder: 2300,
        min_size_bytes: 1,
        max_size_bytes: None,
        seed: 1,
    };
    let entry =
        EntrySeed { path: "Many/Sub".to_owned(), in_folder: generated.in_folder.clone(), ..EntrySeed::default() };
    let change = TreeChange { entries: vec![entry], generated: vec![generated], ..TreeChange::default() };
    world.control().change_tree(constants::ORG_B, &change).unwrap();
    let many = world.b.workdrive().search_folders_in(constants::SOURCE_TEAM_FOLDER_ID, "many").await.unwrap().remove(0);
    for phantom in [false, true] {
        world.control().set_knobs(json!({"workdrive": {"phantom_last_page": phantom}})).unwrap();
        let count = async |filter| world.b.workdrive().list(&many.id, filter).await.unwrap().len();
        let counts = [count(ItemFilter::All).await, count(ItemFilter::Files).await, count(ItemFilter::Folders).await];
        assert_eq!(counts, [2301, 2300, 1]);
    }
    world.assert_well_behaved();
}

#[tokio::test]
async fn a_file_of_either_size_arrives_with_its_bytes() {
    let world = World::demo();
    let parent = world.new_folder("Both sizes").await;
    for bytes in [0, 1, 100_000, LARGE_BYTES] {
        let content: Vec<u8> = (0..bytes).map(|place| (place % 251) as u8).collect();
        let wanted = Upload::new(&parent.id, format!("{bytes}.bin"), bytes as u64);
        let uploaded = world.a.workdrive().upload(&wanted, body(&content)).await.unwrap();
        assert_eq!((uploaded.name.as_str(), uploaded.size), (wanted.name.as_str(), Some(bytes as u64)));
        let stored = world.stored_in(&parent.id).into_iter().find(|item| item.id == uploaded.id).unwrap();
        assert_eq!(uploaded.md5.map(hex::encode), stored.md5, "{bytes}");
        let back = world.a.workdrive().download(&uploaded.id, None).await.unwrap();
        assert_eq!(back.length, Some(bytes as u64));
        assert!(crate::simulated_world::content(back).await == content, "{bytes}");
    }
    world.assert_well_behaved();
}

#[tokio::test]
async fn names_survive_whatever_they_hold() {
    let world = World::demo();
    let parent = world.new_folder("Naïve name + 100% & more #1?").await;
    assert_eq!(parent.name, "Naïve name + 100% & more #1?");
    let long = format!("{}.txt", "ü".repeat(120));
    let names = [
        "plain.txt",
        "with space and + plus.txt",
        "100%25 & a=b#c?d.txt",
        "%41 is not A.txt",
        "quote\" and 'single'.txt",
        "日本語のファイル.pdf",
        "emoji 🎉.txt",
        "semi;colon:and*star.txt",
        "back\\slash.txt",
        &long,
    ];
    for name in names {
        for bytes in [3, LARGE_BYTES] {
            let name = format!("{bytes} {name}");
            let content = vec![1; bytes];
            let upload = Upload::new(&parent.id, &name, bytes as u64);
            let uploaded = world.a.workdrive().upload(&upload, body(&content)).await.unwrap();
            assert_eq!(uploaded.name, name);
            let stored = world.a.workdrive().item(&uploaded.id).await.unwrap();
            assert_eq!((stored.name, stored.size), (name, Some(bytes as u64)));
        }
    }
    let renamed = world.a.workdrive().rename(&parent.id, "50% & + ü").await.unwrap();
    assert_eq!((renamed.id, renamed.name.as_str()), (parent.id, "50% & + ü"));
    world.assert_well_behaved();
}

#[tokio::test]
async fn content_streams_from_one_account_to_the_other() {
    let world = World::demo();
    let parent = world.new_folder("Copied").await;
    let source = world.source_file(1).await;
    let download = world.b.workdrive().download(&source.id, None).await.unwrap();
    let upload = Upload::new(&parent.id, &source.name, download.length.unwrap());
    let stream = download.stream.map_err(std::io::Error::other);
    let uploaded = world.a.workdrive().upload(&upload, stream).await.unwrap();
    let original = world.items(constants::ORG_B).into_iter().find(|item| item.id == source.id).unwrap();
    assert_eq!(uploaded.md5.map(hex::encode), original.md5);
    world.assert_well_behaved();
}

#[tokio::test]
async fn a_range_resumes_in_every_way_the_provider_answers() {
    let world = World::demo();
    let source = world.source_file(10).await;
    let size = source.size.unwrap();
    let whole = content(world.b.workdrive().download(&source.id, None).await.unwrap()).await;
    for knobs in [
        json!({"workdrive": {"range_answers_200": false}}),
        json!({"workdrive": {"range_answers_200": true}}),
        json!({"workdrive": {"redirect_downloads": "always"}}),
    ] {
        world.control().set_knobs(knobs.clone()).unwrap();
        let part = world.b.workdrive().download(&source.id, Some(5..size)).await.unwrap();
        assert!(part.partial, "{knobs}");
        assert!(content(part).await == whole[5..], "{knobs}");
    }
    world.assert_well_behaved();
}

#[tokio::test]
async fn a_taken_name_is_changed_or_refused_as_the_provider_likes() {
    let world = World::demo();
    let parent = world.new_folder("Taken").await;
    for bytes in [3, LARGE_BYTES] {
        let content = vec![1; bytes];
        let upload = Upload::new(&parent.id, format!("{bytes}.txt"), bytes as u64);
        world.a.workdrive().upload(&upload, body(&content)).await.unwrap();
        let second = world.a.workdrive().upload(&upload, body(&content[..bytes - 1])).await;
        assert!(matches!(second, Err(Error::Body { .. })), "{second:?}");
        let other = vec![2; bytes];
        let second = world.a.workdrive().upload(&upload, body(&other)).await.unwrap();
        assert_ne!(second.name, upload.name);
        world.control().set_knobs(json!({"workdrive": {"file_collision": "conflict"}})).unwrap();
        let third = world.a.workdrive().upload(&upload, body(&other)).await.unwrap_err();
        assert!(matches!(&third, Error::NameTaken { name } if *name == upload.name), "{third}");
        world.control().set_knobs(json!({"workdrive": {"file_collision": "suffix"}})).unwrap();
    }
    assert_eq!(world.stored_in(&parent.id).len(), 4);
    let again = world.new_folder("Taken").await;
    assert_ne!(again.name, "Taken");
    world.control().set_knobs(json!({"workdrive": {"folder_collision": "conflict"}})).unwrap();
    let refused = world.a.workdrive().create_folder(constants::DESTINATION_FOLDER_ID, "Taken").await.unwrap_err();
    assert!(matches!(refused, Error::NameTaken { .. }), "{refused}");
    world.a.workdrive().trash(&again.id).await.unwrap();
    assert!(world.items(constants::ORG_A).iter().all(|item| item.id != again.id));
}

#[tokio::test]
async fn overriding_adds_a_version() {
    let world = World::demo();
    let parent = world.new_folder("Versions").await;
    for bytes in [3, LARGE_BYTES] {
        let name = format!("{bytes}.txt");
        let upload = Upload { override_existing: true, ..Upload::new(&parent.id, &name, bytes as u64) };
        for fill in [1, 2] {
            let uploaded = world.a.workdrive().upload(&upload, body(&vec![fill; bytes])).await.unwrap();
            assert_eq!(uploaded.name, name);
        }
    }
    let stored = world.stored_in(&parent.id);
    assert_eq!(stored.iter().map(|item| item.versions).collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test]
async fn missing_scopes_are_named_before_anything_happens() {
    let mut seed = demo_seed();
    for organization in &mut seed.organizations {
        for client in &mut organization.clients {
            client.scopes.retain(|scope| !scope.starts_with("ZohoFiles") && !scope.starts_with("ZohoSearch"));
        }
    }
    let world = World::start(&seed);
    let source = world.source_file(1).await;
    let search = world.b.workdrive().search_folders_in(constants::SOURCE_TEAM_FOLDER_ID, "x").await.err();
    let download = world.b.workdrive().download(&source.id, None).await.err();
    let upload = Upload::new(constants::DESTINATION_FOLDER_ID, "a", 1);
    let upload = world.a.workdrive().upload(&upload, body(b"x")).await.err();
    for error in [search, download, upload].into_iter().flatten() {
        assert!(matches!(error, Error::MissingScope { .. }), "{error}");
    }
    let tokens = world.control().counts().token_requests;
    let issued: u64 = tokens.values().filter_map(|outcomes| outcomes.get("issued")).sum();
    assert_eq!(issued, 2, "a missing scope never costs a refresh");
}
