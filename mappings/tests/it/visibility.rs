//! Things of another organisation are not there.

use mappings::Error;
use mappings::channel::{Change, MapRequest, configure, get, map, pause, rename, resume, unmap};
use testkit::on_both_databases;
use testkit::store::Backend;
use uuid::Uuid;

use crate::office::{Office, of, request, told};

on_both_databases! {
    #[tokio::test]
    nobody_reaches_a_mapping_of_another_organisation,
    accounts_of_others_are_answered_like_accounts_that_do_not_exist,
}

async fn nobody_reaches_a_mapping_of_another_organisation(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let id = map(&log, &of("acme"), &office.config, &request(1, "north")).await.unwrap().mapping.mapping_id;
    let stranger = of("globex");
    let answers = [
        get(log.database().readers(), Some("globex"), id).await,
        pause(&log, &stranger, id, "").await,
        resume(&log, &stranger, id).await,
        rename(&log, &stranger, id, "#mine").await,
        configure(&log, &stranger, id, &Change::default()).await,
        unmap(&log, &stranger, id, "").await,
    ];
    let nobody = get(log.database().readers(), None, Uuid::nil()).await.unwrap_err().to_string();
    for answer in answers {
        let refused = answer.unwrap_err().to_string();
        assert_eq!(refused.replace(&id.to_string(), &Uuid::nil().to_string()), nobody);
    }
    assert_eq!(told(&log, 1).await, ["channel.mapped"]);
    assert!(get(log.database().readers(), Some("acme"), id).await.is_ok());
}

async fn accounts_of_others_are_answered_like_accounts_that_do_not_exist(on: Backend) {
    let office = Office::new(on).await;
    let log = office.start().await;
    let mut answers = Vec::new();
    for account in ["org-a", "org-c"] {
        let request = MapRequest { account: account.to_owned(), ..request(1, "north") };
        let Err(Error::Invalid { field: "account", reason }) = map(&log, &of("globex"), &office.config, &request).await
        else {
            panic!("{account} was taken")
        };
        answers.push(reason.replace(account, "it"));
    }
    assert_eq!(answers[0], answers[1]);
    assert!(!answers[0].contains("partner"), "{}", answers[0]);
}
