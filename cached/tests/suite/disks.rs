//! Stores that the system refuses to write: an error that says why, and nothing is lost.

use crate::run::{DIM, ROWS, Run, init, sum};
use sparse_adam_cached::{Durable, Error, FileStore, Layout, Mark, MemoryStore, RowStore};
use sparse_adam_testkit::gpus;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A store that refuses to write, and to read, as often as it is told.
struct Refusing {
    store: MemoryStore,
    writes: AtomicU32,
    reads: AtomicU32,
}

fn refused(left: &AtomicU32) -> Result<(), Error> {
    match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
        Err(_) => Ok(()),
        Ok(_) => {
            let (what, source) = ("a disk".into(), io::ErrorKind::StorageFull.into());
            Err(Error::Io { what, source })
        }
    }
}

impl RowStore for Refusing {
    fn rows(&self) -> u64 {
        self.store.rows()
    }

    fn layout(&self) -> Layout {
        self.store.layout()
    }

    fn read(&self, rows: &[u64], records: &mut [u8]) -> Result<(), Error> {
        refused(&self.reads)?;
        self.store.read(rows, records)
    }

    fn write(&self, rows: &[u64], records: &[u8]) -> Result<(), Error> {
        refused(&self.writes)?;
        self.store.write(rows, records)
    }
}

#[test]
fn training_goes_on_where_a_refusal_left_it() {
    for gpu in gpus() {
        let memory = |layout| MemoryStore::new(ROWS, layout, init());
        let mut whole = Run::new(gpu, 5, |layout| Ok(memory(layout))).unwrap();
        let mut refused = Run::new(gpu, 5, |layout| {
            Ok(Refusing { store: memory(layout), writes: 0.into(), reads: 0.into() })
        })
        .unwrap();
        let (mut errors, mut flush_errors) = (0, 0);
        for step in 0..60 {
            whole.step().unwrap();
            let store = refused.table.store();
            match step % 10 {
                3 => store.writes.store(2, Ordering::SeqCst),
                7 => store.reads.store(1, Ordering::SeqCst),
                _ => {}
            }
            while let Err(error) = refused.step() {
                assert!(error.to_string().contains("a disk"), "{error}");
                errors += 1;
            }
            if step % 20 == 3 {
                while let Err(error) = refused.table.flush(&mut refused.adam) {
                    assert!(error.to_string().contains("a disk"), "{error}");
                    flush_errors += 1;
                }
            }
        }
        assert!(errors > 5 && flush_errors > 0, "{errors} {flush_errors}");
        assert_eq!(refused.steps(), 60);
        whole.table.flush(&mut whole.adam).unwrap();
        refused.table.flush(&mut refused.adam).unwrap();
        assert_eq!(sum(refused.table.store()), sum(whole.table.store()));
    }
}

const FOLDER: &str = "SPARSE_ADAM_WRITES_TO";

/// Every row, filled with a number.
fn write_all(store: &FileStore, number: u8) -> Result<(), Error> {
    let bytes = store.layout().bytes();
    let rows: Vec<u64> = (0..ROWS).collect();
    rows.chunks(100).try_for_each(|rows| store.write(rows, &vec![number; rows.len() * bytes]))
}

fn open(folder: &PathBuf) -> FileStore {
    FileStore::open(folder, ROWS, Layout::f32(DIM).unwrap(), init()).unwrap()
}

#[test]
#[ignore = "the child of the test below"]
fn writes_until_the_limit() {
    let store = open(&PathBuf::from(std::env::var(FOLDER).unwrap()));
    let error = write_all(&store, 2).and_then(|()| write_all(&store, 3)).unwrap_err();
    let Error::Io { what, source } = &error else { panic!("{error}") };
    assert!(what.contains("log.0") && source.kind() == io::ErrorKind::FileTooLarge, "{error}");
    println!("\nrefused as it should be: {error}");
}

#[cfg(unix)]
#[test]
fn a_limit_of_the_system_leaves_the_last_checkpoint() {
    let folder = std::env::temp_dir().join(format!("sparse-adam-limit-{}", std::process::id()));
    let store = open(&folder);
    write_all(&store, 1).unwrap();
    store.checkpoint(Mark::new(1, "{}", "")).unwrap();
    let before = sum(&store);
    drop(store);
    // The base is not written; of the log, an entry has 108 bytes; 512 a unit of the limit.
    let script = r#"trap "" XFSZ; ulimit -f 1000; exec "$0" "$@""#;
    let child = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "disks::writes_until_the_limit", "--ignored", "--nocapture"])
        .env(FOLDER, &folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("refused as it should be"), "{child:?}");
    let store = open(&folder);
    assert_eq!((store.mark().unwrap().steps, sum(&store)), (1, before));
    write_all(&store, 4).unwrap();
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
}
