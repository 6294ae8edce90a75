use std::path::Path;

use super::*;
use crate::storage::{
    DatabaseConfig,
    sql::{plan, query},
};

const PEOPLE: [&str; 3] = ["an@example.com", "Bo@Example.com", "chen@example.com"];

/// What somebody of the former release called themselves.
fn called(number: usize) -> String {
    format!("Lovelace the {number}th")
}

/// A data folder, and what is configured of its keys.
struct Home<'f> {
    data: &'f Path,
    keys: PersonalDataConfig,
}

impl Home<'_> {
    fn of(data: &Path) -> Home<'_> {
        Home { data, keys: PersonalDataConfig::default() }
    }

    async fn database(&self) -> Database {
        Database::of(&DatabaseConfig::default(), self.data).await.unwrap()
    }

    async fn open(&self, database: &Database) -> Result<Vault, Failure> {
        Vault::open(&self.keys, self.data, database).await
    }
}

/// Accounts and an invitation as an earlier version left them.
async fn open_rows(database: &Database) {
    for (number, email) in PEOPLE.iter().enumerate() {
        let insert = query("INSERT INTO users (id, email_index, display_name, created_at) VALUES ($1, $2, $3, 0)");
        let insert = insert.bind(format!("user-{number}")).bind(*email).bind(called(number));
        insert.execute(&database.read).await.unwrap();
    }
    let insert = query(
        "INSERT INTO merchant_invitations (id, tenant_id, email_index, role, code_hash, invited_by, created_at, expires_at) \
         VALUES ('i', 'nebula', 'guest@example.com', 'door', 'h', 'u', 0, 0)",
    );
    insert.execute(&database.read).await.unwrap();
}

async fn all_sealed(database: &Database, vault: &Vault) {
    for (number, email) in PEOPLE.iter().enumerate() {
        let (id, email) = (format!("user-{number}"), email.to_lowercase());
        let index = vault.index(EMAIL, &email).await.unwrap();
        let found = query("SELECT id, email_sealed, person_index FROM users WHERE email_index = $1").bind(index);
        let row = found.fetch_optional(&database.read).await.unwrap().unwrap();
        assert_eq!(row.get::<String>("id").unwrap(), id);
        let sealed: String = row.get("email_sealed").unwrap();
        assert_eq!(vault.unseal(EMAIL, &id, &sealed).await.unwrap(), email);
        assert_eq!(row.get::<String>("person_index").unwrap(), vault.person(&email).await.unwrap());
        let row = query("SELECT display_name, name_sealed FROM users WHERE id = $1").bind(&id);
        let row = row.fetch_optional(&database.read).await.unwrap().unwrap();
        assert_eq!(row.get::<String>("display_name").unwrap(), "");
        let sealed: String = row.get("name_sealed").unwrap();
        assert_eq!(vault.unseal(CALLED, &id, &sealed).await.unwrap(), called(number));
        assert!(vault.unseal(CALLED, "somebody else", &sealed).await.is_err());
    }
}

/// Whether any file of the folder has the text.
fn written(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
    })
}

#[tokio::test]
async fn what_lay_open_is_sealed_also_by_who_comes_after_one_that_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::of(folder.path());
    let database = home.database().await;
    open_rows(&database).await;
    let killed = Vault::unlock(&home.keys, home.data, &database).await.unwrap();
    assert_eq!(existing::seal_some(&database, &killed, 2).await.unwrap(), 2);
    drop(killed);
    let half = query("SELECT count(*) FROM users WHERE email_sealed IS NULL");
    assert_eq!(half.scalar::<i64>(&database.read).await.unwrap(), 1);
    // The account that buyers at counters share was the first of the two.
    let half = query("SELECT count(*) FROM users WHERE display_name LIKE 'Lovelace%'");
    assert_eq!(half.scalar::<i64>(&database.read).await.unwrap(), 2);

    // Two at once, and once more: nothing is sealed twice.
    let (one, two) = tokio::join!(home.open(&database), home.open(&database));
    all_sealed(&database, &one.unwrap()).await;
    all_sealed(&database, &two.unwrap()).await;
    let vault = home.open(&database).await.unwrap();
    all_sealed(&database, &vault).await;
    let open = query("SELECT count(*) FROM merchant_invitations WHERE email_index = 'guest@example.com'");
    assert_eq!(open.scalar::<i64>(&database.read).await.unwrap(), 0);
    for text in PEOPLE.into_iter().chain(["guest@example.com", "Lovelace"]) {
        assert!(!written(folder.path(), text), "{text}");
    }

    // A process of the former release went on: what it wrote since is found as well.
    let former = "UPDATE users SET email_index = 'chen@example.com', email_sealed = NULL, person_index = NULL, \
                  display_name = 'Lovelace the 2th' WHERE id = 'user-2'";
    assert_eq!(query(former).execute(&database.read).await.unwrap(), 1);
    all_sealed(&database, &home.open(&database).await.unwrap()).await;
}

#[tokio::test]
async fn a_start_looks_for_what_lies_open_where_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let database = Home::of(folder.path()).database().await;
    let indexes =
        ["users_open_address", "merchant_invitations_open_address", "users_without_person", "users_open_name"];
    for (open, index) in existing::ALL.iter().zip(indexes) {
        let plan = plan(open.find, &database.read).await;
        assert!(plan.contains(&format!("INDEX {index}")), "{}: {plan}", open.find);
    }
}

#[tokio::test]
async fn a_sealed_text_opens_in_its_row_and_unaltered_only() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::of(folder.path());
    let database = home.database().await;
    let vault = home.open(&database).await.unwrap();
    let sealed = vault.seal(PHONE, "a", "+8613800138000").await.unwrap();
    assert_eq!(vault.unseal(PHONE, "a", &sealed).await.unwrap(), "+8613800138000");
    assert_ne!(vault.seal(PHONE, "a", "+8613800138000").await.unwrap(), sealed, "equal texts do not look alike");
    assert!(vault.unseal(PHONE, "b", &sealed).await.is_err());
    assert!(vault.unseal(EMAIL, "a", &sealed).await.is_err());
    let altered = sealed.replacen(&sealed[40..41], if &sealed[40..41] == "A" { "B" } else { "A" }, 1);
    assert!(vault.unseal(PHONE, "a", &altered).await.is_err());
    assert!(vault.unseal(PHONE, "a", "short").await.is_err());
}

#[tokio::test]
async fn another_key_takes_over_and_a_wrong_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut home = Home::of(folder.path());
    let database = home.database().await;
    let sealed = home.open(&database).await.unwrap().seal(EMAIL, "a", "an@example.com").await.unwrap();
    let index = home.open(&database).await.unwrap().index(EMAIL, "an@example.com").await.unwrap();
    // A merchant has keys of its own: nobody else's open what they sealed.
    let (star, moon) = ("star".parse().unwrap(), "moon".parse().unwrap());
    let vault = home.open(&database).await.unwrap();
    let theirs = vault.of(&star).seal(INVITED, "i", "bo@example.com").await.unwrap();
    vault.of(&moon).seal(INVITED, "i", "cy@example.com").await.unwrap();
    for other in [vault.clone(), vault.of(&moon)] {
        assert!(other.unseal(INVITED, "i", &theirs).await.is_err());
    }

    // From the folder into the configuration; from then on the folder's is not needed.
    home.keys.key = Some("0123456789abcdef0123456789abcdef".into());
    let vault = home.open(&database).await.unwrap();
    assert_eq!(vault.unseal(EMAIL, "a", &sealed).await.unwrap(), "an@example.com");
    std::fs::remove_file(folder.path().join(secret::PERSONAL)).unwrap();
    home.open(&database).await.unwrap();

    let name = vault.seal(CALLED, "a", "Ada").await.unwrap();

    // To the next one.
    let former = home.keys.key.replace("fedcba9876543210fedcba9876543210".into()).unwrap();
    home.keys.key_id = "2".to_owned();
    let told = home.open(&database).await.unwrap_err().to_string();
    assert!(told.contains("personal-data.previous") && !told.contains("fedcba"), "{told}");
    home.keys.previous.insert("1".to_owned(), former);
    home.open(&database).await.unwrap();
    home.keys.previous.clear();
    let vault = home.open(&database).await.unwrap();
    assert_eq!(vault.unseal(EMAIL, "a", &sealed).await.unwrap(), "an@example.com");
    assert_eq!(vault.unseal(CALLED, "a", &name).await.unwrap(), "Ada");
    assert_eq!(vault.index(EMAIL, "an@example.com").await.unwrap(), index, "people are found as before");
    assert_eq!(vault.of(&star).unseal(INVITED, "i", &theirs).await.unwrap(), "bo@example.com");
}
