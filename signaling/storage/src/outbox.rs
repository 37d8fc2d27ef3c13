//! The orders to the uploader, and what it has done, as files.
//!
//! | file | says |
//! |---|---|
//! | `uploads/AC….RE….put` | upload this recording |
//! | `uploads/AC….RE….failed` | ten tries failed and were reported; try again at start and once an hour |
//! | `uploads/AC….RE….delete` | delete the object; the content is its place |
//! | `recordings/AC…/RE….stored` | the bucket has it; the content is its place, length and `ETag` |
//!
//! The store thread deletes recordings while an upload of the same one may run. Both settle under one lock:
//! a deletion takes the order to upload away and leaves an order to delete, so whichever of the two comes
//! second finds out. The lock covers a few file operations and never a request.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use shared::{AccountSid, RecordingSid};
use tokio::sync::Notify;

use crate::place::{Place, Stored};
use crate::settings::BucketSettings;

/// What to do with a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    Put,
    Delete,
    /// As [`Task::Put`], after it was given up and reported.
    PutAgain,
}

impl Task {
    const ALL: [Self; 3] = [Self::Put, Self::Delete, Self::PutAgain];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::PutAgain => "failed",
        }
    }
}

/// An order of the folder. Sorted, those that failed come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub is_again: bool,
    pub recording: RecordingSid,
    pub account: AccountSid,
    pub task: Task,
}

impl Order {
    fn new(task: Task, account: AccountSid, recording: RecordingSid) -> Self {
        Self { is_again: task == Task::PutAgain, recording, account, task }
    }

    fn file_name(self) -> String {
        format!("{}.{}.{}", self.account, self.recording, self.task.suffix())
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '.');
        let (account, recording, suffix) = (parts.next()?, parts.next()?, parts.next()?);
        let task = Task::ALL.into_iter().find(|task| task.suffix() == suffix)?;
        Some(Self::new(task, account.parse().ok()?, recording.parse().ok()?))
    }
}

/// The folder of orders beside the folder of recordings.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    recordings: PathBuf,
    bucket: Option<BucketSettings>,
    settling: Mutex<()>,
    /// Rung for each new order.
    pub(crate) wake: Notify,
}

impl Outbox {
    /// Orders in `folder` for recordings below `recordings`; without a bucket none is made, except
    /// deletions of what an earlier bucket has.
    pub fn new(folder: PathBuf, recordings: PathBuf, bucket: Option<BucketSettings>) -> Self {
        Self { folder, recordings, bucket, settling: Mutex::new(()), wake: Notify::new() }
    }

    /// The bucket that uploads go to.
    pub(crate) fn bucket(&self) -> Option<&BucketSettings> {
        self.bucket.as_ref()
    }

    pub(crate) fn recordings(&self) -> &Path {
        &self.recordings
    }

    /// Orders the upload of a finished recording. Survives a kill once it returns.
    ///
    /// # Errors
    /// An error of the file system: the recording stays here.
    pub fn put(&self, account: AccountSid, recording: RecordingSid) -> io::Result<()> {
        if self.bucket.is_none() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        write_whole(&self.path_of(Order::new(Task::Put, account, recording)), b"")?;
        self.wake.notify_one();
        Ok(())
    }

    /// Removes the files of a deleted recording, and orders the deletion of its object where there is one
    /// or may be one.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn remove(&self, account: AccountSid, recording: RecordingSid) -> io::Result<()> {
        let _settling = self.settling.lock();
        let marker = self.marker(account, recording);
        let stored = self.stored(account, recording)?.map(|stored| stored.place);
        // An upload may be under way: its object appears after this, unless it finds its order gone.
        let puts = [Task::Put, Task::PutAgain].map(|task| Order::new(task, account, recording));
        let ordered = puts.iter().any(|order| self.path_of(*order).exists());
        let begun = || Some(self.bucket.as_ref()?.place(account, recording));
        if let Some(place) = stored.or_else(|| begun().filter(|_| ordered)) {
            fs::create_dir_all(&self.folder)?;
            let order = self.path_of(Order::new(Task::Delete, account, recording));
            write_whole(&order, &serde_json::to_vec(&place)?)?;
            self.wake.notify_one();
        }
        for path in puts.map(|order| self.path_of(order)).iter().chain([&marker]) {
            remove_file(path)?;
        }
        recorder::remove(&self.recordings, account, recording)
    }

    /// What the bucket has of a recording.
    pub(crate) fn stored(
        &self,
        account: AccountSid,
        recording: RecordingSid,
    ) -> io::Result<Option<Stored>> {
        match fs::read(self.marker(account, recording)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first orders, at most `most`, and the number of all.
    pub(crate) fn orders(&self, most: usize) -> io::Result<(BTreeSet<Order>, u64)> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(error),
        };
        let (mut first, mut all) = (BTreeSet::new(), 0);
        for entry in entries {
            let name = entry?.file_name();
            let Some(order) = name.to_str().and_then(Order::parse) else { continue };
            all += 1;
            first.insert(order);
            if first.len() > most {
                first.pop_last();
            }
        }
        Ok((first, all))
    }

    /// The place that an order to delete names.
    pub(crate) fn place_to_delete(&self, order: Order) -> io::Result<Place> {
        Ok(serde_json::from_slice(&fs::read(self.path_of(order))?)?)
    }

    /// Notes that the bucket has the recording. False where the recording was deleted meanwhile: the order
    /// to delete its object is there already.
    pub(crate) fn settle_put(&self, order: Order, stored: &Stored) -> io::Result<bool> {
        let _settling = self.settling.lock();
        let path = self.path_of(order);
        if !path.exists() {
            return Ok(false);
        }
        let marker = self.marker(order.account, order.recording);
        write_whole(&marker, &serde_json::to_vec(stored)?)?;
        // After the marker: a kill in between repeats the upload.
        remove_file(&path)?;
        if self.bucket.as_ref().is_some_and(|bucket| !bucket.keeps_local) {
            recorder::remove(&self.recordings, order.account, order.recording)?;
        }
        Ok(true)
    }

    /// Gives an upload up for now.
    pub(crate) fn give_up(&self, order: Order) -> io::Result<()> {
        let _settling = self.settling.lock();
        let again = Order::new(Task::PutAgain, order.account, order.recording);
        match fs::rename(self.path_of(order), self.path_of(again)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes an order away that is carried out or has nothing to carry.
    pub(crate) fn drop_order(&self, order: Order) -> io::Result<()> {
        let _settling = self.settling.lock();
        remove_file(&self.path_of(order))
    }

    fn path_of(&self, order: Order) -> PathBuf {
        self.folder.join(order.file_name())
    }

    fn marker(&self, account: AccountSid, recording: RecordingSid) -> PathBuf {
        recorder::path(&self.recordings, account, recording).with_extension("stored")
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file completely or not at all, and makes it durable.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::read;

    const OF: (AccountSid, RecordingSid) = (AccountSid(1), RecordingSid(7));

    fn outbox(folder: &tempfile::TempDir, keeps_local: bool) -> Outbox {
        let text = format!("s3_bucket = \"calls\"\ns3_keep_local = {keeps_local}");
        let recordings = folder.path().join("recordings");
        let wav = recorder::path(&recordings, OF.0, OF.1);
        fs::create_dir_all(wav.parent().unwrap()).unwrap();
        fs::write(&wav, b"audio").unwrap();
        Outbox::new(folder.path().join("uploads"), recordings, read(&text).unwrap())
    }

    fn tasks(outbox: &Outbox) -> Vec<Task> {
        outbox.orders(10).unwrap().0.into_iter().map(|order| order.task).collect()
    }

    fn stored(outbox: &Outbox) -> Stored {
        let place = outbox.bucket().unwrap().place(OF.0, OF.1);
        Stored { place, bytes: 5, sealed: false, etag: String::new() }
    }

    #[test]
    fn an_upload_leaves_its_marker_and_by_setting_no_file() {
        for keeps_local in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let outbox = outbox(&folder, keeps_local);
            outbox.put(OF.0, OF.1).unwrap();
            let order = *outbox.orders(10).unwrap().0.first().unwrap();
            assert!(outbox.settle_put(order, &stored(&outbox)).unwrap());
            assert_eq!(tasks(&outbox), []);
            assert_eq!(outbox.stored(OF.0, OF.1).unwrap(), Some(stored(&outbox)));
            let wav = recorder::path(outbox.recordings(), OF.0, OF.1);
            assert_eq!(wav.exists(), keeps_local);
            outbox.remove(OF.0, OF.1).unwrap();
            assert_eq!(tasks(&outbox), [Task::Delete]);
            let order = *outbox.orders(10).unwrap().0.first().unwrap();
            assert_eq!(outbox.place_to_delete(order).unwrap(), stored(&outbox).place);
            assert_eq!(outbox.stored(OF.0, OF.1).unwrap(), None);
            assert!(!wav.exists());
        }
    }

    #[test]
    fn a_deletion_overtakes_an_upload_that_is_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = outbox(&folder, true);
        outbox.put(OF.0, OF.1).unwrap();
        let order = *outbox.orders(10).unwrap().0.first().unwrap();
        outbox.remove(OF.0, OF.1).unwrap();
        assert!(!outbox.settle_put(order, &stored(&outbox)).unwrap());
        assert_eq!(tasks(&outbox), [Task::Delete]);
        assert_eq!(outbox.stored(OF.0, OF.1).unwrap(), None);
    }

    #[test]
    fn one_that_was_given_up_comes_after_the_others_and_can_be_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = outbox(&folder, true);
        outbox.put(OF.0, OF.1).unwrap();
        outbox.give_up(*outbox.orders(10).unwrap().0.first().unwrap()).unwrap();
        outbox.put(OF.0, RecordingSid(9)).unwrap();
        assert_eq!(tasks(&outbox), [Task::Put, Task::PutAgain]);
        let (first, all) = outbox.orders(1).unwrap();
        assert_eq!((first.first().unwrap().recording, all), (RecordingSid(9), 2));
        outbox.remove(OF.0, OF.1).unwrap();
        assert_eq!(tasks(&outbox), [Task::Delete, Task::Put]);
    }

    #[test]
    fn without_a_bucket_a_recording_is_only_removed() {
        let folder = tempfile::tempdir().unwrap();
        let recordings = folder.path().join("recordings");
        let outbox = Outbox::new(folder.path().join("uploads"), recordings, None);
        outbox.put(OF.0, OF.1).unwrap();
        outbox.remove(OF.0, OF.1).unwrap();
        assert_eq!(tasks(&outbox), []);
    }
}
