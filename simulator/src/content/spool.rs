//! Where uploaded bytes go: memory up to a limit, then a file in a directory that is removed with the simulator.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use md5::{Digest, Md5};

use super::{Content, Source};

/// Uploads up to this size stay in memory.
const MEMORY_BYTES: usize = 1024 * 1024;

/// The directory of the uploaded files; removed when dropped.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    next: AtomicU64,
}

impl Spool {
    /// Makes a fresh directory below `parent`.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        let directory = parent.join(format!("simulator-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&directory)?;
        Ok(Self { directory, next: AtomicU64::new(0) })
    }

    /// A place for one upload. With `keep` false the bytes are only counted and hashed.
    pub(crate) fn writer(&self, keep: bool) -> Writer {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Writer {
            path: self.directory.join(number.to_string()),
            keep,
            memory: BytesMut::new(),
            file: None,
            hash: Md5::new(),
            size_bytes: 0,
        }
    }

    /// Removes the directory with all files; what is written afterwards fails.
    pub(crate) fn remove(&self) {
        // An error means that it is gone already.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A spooled file; removed when the last content that uses it is gone.
#[derive(Debug)]
pub(super) struct SpooledFile(PathBuf);

impl SpooledFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SpooledFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Takes the bytes of one upload as they come and hashes them on the way.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    keep: bool,
    memory: BytesMut,
    file: Option<(File, SpooledFile)>,
    hash: Md5,
    size_bytes: u64,
}

impl Writer {
    /// Adds a chunk. Writes go to the page cache, so they are done in place.
    pub(crate) fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.hash.update(chunk);
        self.size_bytes += chunk.len() as u64;
        if !self.keep {
            return Ok(());
        }
        if let Some((file, _)) = &mut self.file {
            return file.write_all(chunk);
        }
        if self.memory.len() + chunk.len() <= MEMORY_BYTES {
            self.memory.extend_from_slice(chunk);
            return Ok(());
        }
        let mut file = File::create(&self.path)?;
        let spooled = SpooledFile(self.path.clone());
        file.write_all(&self.memory)?;
        file.write_all(chunk)?;
        self.memory = BytesMut::new();
        self.file = Some((file, spooled));
        Ok(())
    }

    /// Bytes taken so far.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The finished content with its hash.
    pub(crate) fn finish(self) -> Content {
        let md5 = hex::encode(self.hash.finalize());
        let source = match self.file {
            Some((_, spooled)) => Source::Spooled(spooled),
            None if self.keep => Source::Memory(self.memory.freeze()),
            None => Source::Discarded,
        };
        Content::new(self.size_bytes, source, Some(md5))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn large_upload_goes_to_a_file_that_is_removed_with_its_content() {
        let parent = tempfile::tempdir().unwrap();
        let spool = Spool::create(parent.path()).unwrap();
        let mut writer = spool.writer(true);
        for _ in 0..40 {
            writer.write(&[7; 65536]).unwrap();
        }
        let content = writer.finish();
        assert_eq!(content.size_bytes(), 40 * 65536);
        let files = || std::fs::read_dir(&spool.directory).unwrap().count();
        assert_eq!(files(), 1);
        drop(content);
        assert_eq!(files(), 0);
        drop(spool);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
