//! File systems that a test mounts, in a mount namespace of its own: the kernel unmounts them when the test and what
//! it started have ended, also where they were killed.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

/// A file system in place of the data folder of a gateway. The thread that mounts it sees it, and what that thread
/// starts; unmounted when dropped, so that it can be mounted anew.
pub struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts `device` below `folder`, with words of mount(8).
    pub fn data_of(folder: &TempDir, options: &[&str], device: &Path) -> Self {
        // Only of this thread, and so of the programs that it starts.
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace (root)");
        run(Command::new("mount").args(["--make-rprivate", "/"]));
        let path = folder.path().join("data");
        std::fs::create_dir(&path).expect("a new folder");
        run(Command::new("mount").args(options).arg(device).arg(&path));
        Self { path }
    }

    /// A tmpfs of this many MiB.
    pub fn tmpfs(folder: &TempDir, mib: u32) -> Self {
        let options = format!("size={mib}m,mode=0700");
        Self::data_of(folder, &["-t", "tmpfs", "-o", &options], Path::new("tmpfs"))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, as a gateway that a failed test left may still be there.
        let _ = Command::new("umount").args([Path::new("-l"), &self.path]).status();
    }
}

/// Runs a program that has to succeed.
#[track_caller]
pub fn run(command: &mut Command) {
    let status = command.status();
    assert!(status.as_ref().is_ok_and(|status| status.success()), "{command:?}: {status:?} (root)");
}

#[test]
fn what_a_test_mounts_is_seen_by_it_and_its_programs_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mount = Mount::tmpfs(&folder, 1);
    std::fs::write(mount.path().join("file"), "x").expect("writable");
    // Succeeds where the path is a mount point.
    run(Command::new("mount").arg("--make-private").arg(mount.path()));
    let outside = format!("/proc/{}/root{}", std::process::id(), mount.path().display());
    assert!(Path::new(&outside).exists() && !Path::new(&outside).join("file").exists());
}
