//! The file that holds the vault key: readable by its owner alone, complete from the moment it exists.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::VaultError;

/// The file's content; `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<SecretString>, VaultError> {
    let failed = |source| VaultError::File { path: path.to_owned(), action: "read", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    check_mode(path, &file)?;
    let content = std::io::read_to_string(file).map_err(failed)?;
    Ok(Some(SecretString::from(content)))
}

/// Creates the file with `key`, or returns the key of whoever was faster.
pub(super) fn create(path: &Path, key: &SecretString) -> Result<SecretString, VaultError> {
    let failed = |source| VaultError::File { path: path.to_owned(), action: "created", source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(VaultError::NoFolder { path: path.to_owned() });
    }
    let draft = draft_beside(path);
    let linked = write_draft(&draft, key.expose_secret()).and_then(|()| std::fs::hard_link(&draft, path));
    let _ = std::fs::remove_file(&draft);
    match linked {
        Ok(()) => {
            // Without the folder's flush a power cut could take the key and leave what it sealed.
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
            tracing::info!(path = %path.display(), "created a new vault key file");
            Ok(key.clone())
        }
        Err(source) if source.kind() == ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))
        }
        Err(source) => Err(failed(source)),
    }
}

/// Creates the file with `key`; one that is there stays as it is.
pub(crate) fn create_new(path: &Path, key: &SecretString) -> Result<(), VaultError> {
    let exists = || VaultError::Exists { path: path.to_owned() };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let kept = create(path, key)?;
    // Somebody was faster.
    if kept.expose_secret().trim() == key.expose_secret().trim() { Ok(()) } else { Err(exists()) }
}

/// Puts `key` before the first key of the file, which stays as the second; those after it go.
pub(super) fn push(path: &Path, key: &SecretString) -> Result<(), VaultError> {
    let failed = |source| VaultError::File { path: path.to_owned(), action: "replaced", source };
    let before = std::fs::read_to_string(path).map_err(failed)?;
    let first = before.split(|c: char| c.is_whitespace() || c == ',').find(|word| !word.is_empty()).unwrap_or_default();
    let draft = draft_beside(path);
    let replaced =
        write_draft(&draft, &format!("{}\n{first}", key.expose_secret())).and_then(|()| std::fs::rename(&draft, path));
    if let Err(source) = replaced {
        let _ = std::fs::remove_file(&draft);
        return Err(failed(source));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// A name that no other process uses at the same time.
fn draft_beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    PathBuf::from(name)
}

fn write_draft(draft: &Path, content: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    writeln!(file, "{content}")?;
    file.sync_all()
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), VaultError> {
    use std::os::unix::fs::PermissionsExt;

    let failed = |source| VaultError::File { path: path.to_owned(), action: "read", source };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(VaultError::ReadableByOthers { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Other systems protect files by their folder.
#[cfg(not(unix))]
fn check_mode(_path: &Path, _file: &File) -> Result<(), VaultError> {
    Ok(())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::{Source, Vault, generate};
    use super::*;

    fn open(path: &Path) -> Result<Vault, VaultError> {
        Vault::open_at(Source::own_file(path))
    }

    #[test]
    fn an_absent_key_file_is_created_for_its_owner_alone_and_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateledger.key");
        let first = open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(open(&path).unwrap().key_id(), first.key_id());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn processes_that_start_together_end_with_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateledger.key");
        let keys: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path).unwrap().key_id())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateledger.key");
        open(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, VaultError::ReadableByOthers { mode: 0o640, .. }), "{error:?}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_named_and_not_created() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent/gateledger.key");
        let error = open(&path).unwrap_err();
        assert!(matches!(error, VaultError::NoFolder { .. }), "{error:?}");
        assert!(!folder.path().join("absent").exists());
    }

    #[test]
    fn a_running_vault_follows_a_replaced_key_and_opens_what_the_old_one_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateledger.key");
        let (running, rotating) = (open(&path).unwrap(), open(&path).unwrap());
        let sealed = running.seal("org-a", b"token").unwrap();
        rotating.replace_key().unwrap();
        assert_eq!(rotating.open("org-a", &sealed).unwrap(), b"token");
        let anew = rotating.seal("org-a", b"token").unwrap();
        assert_eq!(running.open("org-a", &anew).unwrap(), b"token");
        assert_eq!(running.seal("org-a", b"token").unwrap().key_id, anew.key_id);
        assert_eq!(running.other_key_ids(), [sealed.key_id]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.key");
        create_new(&path, &generate().unwrap()).unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        let error = create_new(&path, &generate().unwrap()).unwrap_err();
        assert!(matches!(error, VaultError::Exists { .. }), "{error:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
