// SPDX-License-Identifier: Apache-2.0
#include "tests/support/mem_fs.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>

#include "agent/core/check.h"

namespace agent::testing {

using platform::DirEntry;
using platform::FileStat;
using platform::FileType;
using platform::OpenMode;
namespace watch = platform::watch;

namespace {

constexpr uint64_t kDevice = 2049;
constexpr uint32_t kReadBit = 0400;

std::unexpected<Error> Failure(const char* call, const std::string& path, int number) {
  return Fail(platform::CodeOf(number),
              std::string(call) + " " + path + ": " + std::generic_category().message(number), number);
}

}  // namespace

struct MemFs::Inode {
  FileType type = FileType::kRegular;
  uint64_t number = 0;
  uint32_t mode = 0644;
  uint64_t links = 0;
  size_t handles = 0;
  int64_t modified_ns = 0;
  int64_t born_ns = 0;
  std::string data;  // content, or a symlink's target
  std::map<std::string, InodePtr, std::less<>> entries;
  // Where writers find it, for events; kept after an unlink, as the kernel does.
  std::weak_ptr<Inode> parent;
  std::string name;
  const void* lock_owner = nullptr;
  // What is on the disk.
  std::string durable_data;
  std::map<std::string, InodePtr, std::less<>> durable_entries;
};

// -- watches --

class MemFs::MemWatcher final : public platform::Watcher {
 public:
  explicit MemWatcher(MemFs& fs) : fs_(fs) {}
  ~MemWatcher() override {
    MutexLock lock(fs_.mutex_);
    std::erase(fs_.watchers_, this);
  }

  Result<int> Watch(const std::string& directory, uint32_t mask) override {
    MutexLock lock(fs_.mutex_);
    Place place;
    int error = fs_.Walk(directory, true, place);
    if (error == 0 && place.inode == nullptr) error = ENOENT;
    if (error == 0 && place.inode->type != FileType::kDirectory) error = ENOTDIR;
    if (error != 0) return Failure("watch", directory, error);
    for (auto& [number, entry] : watched_) {
      if (entry.inode != place.inode) continue;
      entry.mask = mask;
      return number;
    }
    if (watched_.size() >= fs_.max_watches_) return Failure("watch", directory, ENOSPC);
    watched_[next_] = {place.inode, mask};
    return next_++;
  }

  void Unwatch(int number) override {
    MutexLock lock(fs_.mutex_);
    if (watched_.erase(number) > 0) Push({number, watch::kIgnored, 0, ""});
  }

  bool Read(std::vector<platform::WatchEvent>& events) override {
    MutexLock lock(fs_.mutex_);
    read_.clear();
    while (!queue_.empty() && read_.size() < fs_.events_per_read_) {
      read_.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    for (const Queued& queued : read_) events.push_back({queued.watch, queued.mask, queued.cookie, queued.name});
    return !read_.empty();
  }

  int fd() const override { return -1; }

  void Notify(Inode& directory, uint32_t mask, const std::string& name, uint32_t cookie) {
    for (const auto& [number, entry] : watched_) {
      if (entry.inode.get() == &directory && (entry.mask & mask) != 0) Push({number, mask, cookie, name});
    }
  }
  void Forget(Inode& directory) {
    for (auto it = watched_.begin(); it != watched_.end();) {
      if (it->second.inode.get() != &directory) {
        ++it;
        continue;
      }
      Push({it->first, watch::kIgnored, 0, ""});
      it = watched_.erase(it);
    }
  }
  void Die() {
    watched_.clear();
    queue_.clear();
  }
  size_t size() const { return watched_.size(); }

 private:
  struct Queued {
    int watch;
    uint32_t mask;
    uint32_t cookie;
    std::string name;
    bool operator==(const Queued&) const = default;
  };
  struct Entry {
    InodePtr inode;
    uint32_t mask;
  };

  void Push(Queued event) {
    if (!queue_.empty() && queue_.back() == event) return;
    if (queue_.size() >= fs_.max_queued_) event = {-1, watch::kOverflow, 0, ""};
    if (!queue_.empty() && queue_.back() == event) return;
    queue_.push_back(std::move(event));
  }

  MemFs& fs_;
  int next_ = 1;
  std::map<int, Entry> watched_;
  std::deque<Queued> queue_;
  std::vector<Queued> read_;  // what the last Read's views point into
};

std::unique_ptr<platform::Watcher> MemFs::MakeWatcher() {
  auto made = std::make_unique<MemWatcher>(*this);
  MutexLock lock(mutex_);
  watchers_.push_back(made.get());
  return made;
}

size_t MemFs::watches() const {
  MutexLock lock(mutex_);
  size_t sum = 0;
  for (const MemWatcher* watcher : watchers_) sum += watcher->size();
  return sum;
}

void MemFs::Notify(Inode& directory, uint32_t mask, const std::string& name, uint32_t cookie) {
  for (MemWatcher* watcher : watchers_) watcher->Notify(directory, mask, name, cookie);
}

void MemFs::NotifyModified(Inode& inode, uint32_t mask) {
  if (const InodePtr parent = inode.parent.lock()) Notify(*parent, mask, inode.name);
}

// -- open files --

class MemFs::MemFile final : public platform::File {
 public:
  MemFile(MemFs& fs, InodePtr inode, std::string path, bool writable)
      : fs_(fs), inode_(std::move(inode)), path_(std::move(path)), writable_(writable) {}
  ~MemFile() override {
    MutexLock lock(fs_.mutex_);
    if (inode_->lock_owner == this) inode_->lock_owner = nullptr;
    --inode_->handles;
    --fs_.open_handles_;
    fs_.FreeIfUnused(*inode_);
  }

  Result<size_t> ReadAt(uint64_t offset, std::span<char> into) override {
    MutexLock lock(fs_.mutex_);
    if (inode_->type == FileType::kDirectory) return Failure("read", path_, EISDIR);
    if (offset >= inode_->data.size()) return size_t{0};
    return inode_->data.copy(into.data(), into.size(), offset);
  }
  Status Write(std::string_view bytes) override {
    MutexLock lock(fs_.mutex_);
    if (!writable_) return Failure("write", path_, EBADF);
    fs_.WriteTo(*inode_, bytes);
    return {};
  }
  Result<FileStat> Stat() override {
    MutexLock lock(fs_.mutex_);
    return fs_.StatOf(*inode_);
  }
  Status Sync() override {
    MutexLock lock(fs_.mutex_);
    inode_->durable_data = inode_->data;
    return {};
  }
  Result<bool> TryLock() override {
    MutexLock lock(fs_.mutex_);
    if (inode_->lock_owner == nullptr) inode_->lock_owner = this;
    return inode_->lock_owner == this;
  }

 private:
  MemFs& fs_;
  const InodePtr inode_;
  const std::string path_;
  const bool writable_;
};

// -- names and inodes --

MemFs::MemFs(Clock& clock) : clock_(clock) {
  MutexLock lock(mutex_);
  root_ = NewInode(FileType::kDirectory, 0755);
  root_->links = 1;
}

MemFs::~MemFs() = default;

MemFs::InodePtr MemFs::NewInode(FileType type, uint32_t mode) {
  auto inode = std::make_shared<Inode>();
  inode->type = type;
  inode->mode = mode;
  inode->modified_ns = inode->born_ns = clock_.Wall();
  if (reuse_inodes_ && !free_inodes_.empty()) {
    inode->number = free_inodes_.back();
    free_inodes_.pop_back();
  } else {
    inode->number = next_inode_++;
  }
  return inode;
}

void MemFs::FreeIfUnused(Inode& inode) {
  if (inode.links == 0 && inode.handles == 0 && inode.number != 0) {
    free_inodes_.push_back(inode.number);
    inode.number = 0;
  }
}

void MemFs::Unlinked(const InodePtr& inode) {
  --inode->links;
  if (inode->type == FileType::kDirectory) {
    Notify(*inode, watch::kDeleteSelf, "");
    for (MemWatcher* watcher : watchers_) watcher->Forget(*inode);
  }
  FreeIfUnused(*inode);
}

int MemFs::Walk(const std::string& path, bool follow_last, Place& place, int depth) {
  if (path.empty() || path[0] != '/') return EINVAL;
  if (depth > 20) return ELOOP;
  place = {nullptr, "", root_, "/"};
  std::string_view rest = std::string_view(path).substr(1);
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (name.empty() || name == ".") continue;
    if (place.inode == nullptr) return ENOENT;
    if (place.inode->type != FileType::kDirectory) return ENOTDIR;
    place.parent = std::move(place.inode);
    const auto found = place.parent->entries.find(name);
    place.inode = found == place.parent->entries.end() ? nullptr : found->second;
    place.name = name;
    const size_t parent_size = place.real.size();
    if (parent_size > 1) place.real += '/';
    place.real += name;
    if (place.inode == nullptr || place.inode->type != FileType::kSymlink) continue;
    if (rest.empty() && !follow_last) continue;
    const std::string target = place.inode->data[0] == '/'
                                   ? place.inode->data
                                   : platform::Join(place.real.substr(0, parent_size), place.inode->data);
    if (const int error = Walk(target, true, place, depth + 1); error != 0) return error;
  }
  return 0;
}

void MemFs::AddName(const InodePtr& parent, const std::string& name, const InodePtr& inode) {
  parent->entries[name] = inode;
  inode->parent = parent;
  inode->name = name;
  Touch(*parent);
}

MemFs::InodePtr MemFs::CreateAt(const Place& place, FileType type, uint32_t mode) {
  InodePtr inode = NewInode(type, mode);
  inode->links = 1;
  AddName(place.parent, place.name, inode);
  Notify(*place.parent, watch::kCreate | (type == FileType::kDirectory ? watch::kIsDirectory : 0), place.name);
  return inode;
}

int MemFs::DropName(const Place& place) {
  if (place.inode == nullptr) return ENOENT;
  const bool directory = place.inode->type == FileType::kDirectory;
  if (directory && !place.inode->entries.empty()) return ENOTEMPTY;
  place.parent->entries.erase(place.name);
  Touch(*place.parent);
  Unlinked(place.inode);
  Notify(*place.parent, watch::kDelete | (directory ? watch::kIsDirectory : 0), place.name);
  return 0;
}

void MemFs::Touch(Inode& inode) { inode.modified_ns = clock_.Wall(); }

FileStat MemFs::StatOf(const Inode& inode) const {
  return {inode.type, kDevice, inode.number, inode.data.size(), inode.links, inode.mode, inode.modified_ns,
          has_birth_times_ ? inode.born_ns : 0};
}

void MemFs::WriteTo(Inode& inode, std::string_view bytes) {
  inode.data += bytes;
  Touch(inode);
  if (!bytes.empty()) NotifyModified(inode, watch::kModify);
}

int MemFs::RenameLocked(const std::string& from, const std::string& to) {
  Place source, target;
  if (const int error = Walk(from, false, source); error != 0) return error;
  if (source.inode == nullptr) return ENOENT;
  if (const int error = Walk(to, false, target); error != 0) return error;
  if (source.inode == target.inode) return 0;
  const bool directory = source.inode->type == FileType::kDirectory;
  if (target.inode != nullptr && target.inode->type == FileType::kDirectory) return EISDIR;
  const InodePtr replaced = target.inode;
  source.parent->entries.erase(source.name);
  Touch(*source.parent);
  AddName(target.parent, target.name, source.inode);
  const uint32_t kind = directory ? watch::kIsDirectory : 0;
  const uint32_t cookie = next_cookie_++;
  Notify(*source.parent, watch::kMovedFrom | kind, source.name, cookie);
  Notify(*target.parent, watch::kMovedTo | kind, target.name, cookie);
  if (directory) Notify(*source.inode, watch::kMoveSelf, "");
  if (replaced != nullptr) Unlinked(replaced);
  return 0;
}

// -- the interface --

Result<std::unique_ptr<platform::File>> MemFs::Open(const std::string& path, OpenMode mode, uint32_t permissions) {
  MutexLock lock(mutex_);
  Place place;
  int error = Walk(path, true, place);
  if (error == 0 && place.inode == nullptr && mode == OpenMode::kRead) error = ENOENT;
  if (error == 0 && place.inode != nullptr && (place.inode->mode & kReadBit) == 0) error = EACCES;
  if (error != 0) return Failure("open", path, error);
  if (place.inode == nullptr) place.inode = CreateAt(place, FileType::kRegular, permissions);
  if (mode == OpenMode::kTruncate) {
    place.inode->data.clear();
    Touch(*place.inode);
  }
  ++place.inode->handles;
  ++open_handles_;
  return std::make_unique<MemFile>(*this, place.inode, path, mode != OpenMode::kRead);
}

Result<FileStat> MemFs::Stat(const std::string& path) {
  MutexLock lock(mutex_);
  Place place;
  int error = Walk(path, true, place);
  if (error == 0 && place.inode == nullptr) error = ENOENT;
  if (error != 0) return Failure("stat", path, error);
  return StatOf(*place.inode);
}

Result<FileStat> MemFs::LinkStat(const std::string& path) {
  MutexLock lock(mutex_);
  Place place;
  int error = Walk(path, false, place);
  if (error == 0 && place.inode == nullptr) error = ENOENT;
  if (error != 0) return Failure("stat", path, error);
  return StatOf(*place.inode);
}

Result<std::vector<DirEntry>> MemFs::List(const std::string& directory) {
  MutexLock lock(mutex_);
  Place place;
  int error = Walk(directory, true, place);
  if (error == 0 && place.inode == nullptr) error = ENOENT;
  if (error == 0 && place.inode->type != FileType::kDirectory) error = ENOTDIR;
  if (error == 0 && (place.inode->mode & kReadBit) == 0) error = EACCES;
  if (error != 0) return Failure("list", directory, error);
  std::vector<DirEntry> entries;
  for (const auto& [name, inode] : place.inode->entries) entries.push_back({name, inode->type, inode->number});
  return entries;
}

Result<std::string> MemFs::RealPath(const std::string& path) {
  MutexLock lock(mutex_);
  Place place;
  int error = Walk(path, true, place);
  if (error == 0 && place.inode == nullptr) error = ENOENT;
  if (error != 0) return Failure("resolve", path, error);
  return place.real;
}

Status MemFs::Rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  const int error = RenameLocked(from, to);
  if (error != 0) return Failure("rename", from, error);
  return {};
}

Status MemFs::Remove(const std::string& path) {
  MutexLock lock(mutex_);
  Place place;
  int error = Walk(path, false, place);
  if (error == 0 && place.inode == nullptr) error = ENOENT;
  if (error == 0 && place.inode->type == FileType::kDirectory) error = EISDIR;
  if (error == 0) error = DropName(place);
  if (error != 0) return Failure("remove", path, error);
  return {};
}

Status MemFs::MakeDirectory(const std::string& path, uint32_t permissions) {
  MutexLock lock(mutex_);
  Place place;
  int error = Walk(path, false, place);
  if (error == 0 && place.inode != nullptr) error = EEXIST;
  if (error != 0) return Failure("mkdir", path, error);
  CreateAt(place, FileType::kDirectory, permissions);
  return {};
}

Status MemFs::SyncDirectory(const std::string& directory) {
  MutexLock lock(mutex_);
  Place place;
  int error = Walk(directory, true, place);
  if (error == 0 && place.inode == nullptr) error = ENOENT;
  if (error != 0) return Failure("fsync", directory, error);
  place.inode->durable_entries = place.inode->entries;
  return {};
}

Result<platform::DiskSpace> MemFs::Space(const std::string&) {
  return platform::DiskSpace{uint64_t{1} << 40, uint64_t{1} << 39, remote_};
}

// -- what writers do --

void MemFs::MakeDirectories(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (!Exists(part)) CHECK(MakeDirectory(part, 0755).has_value(), "mkdir in a test");
    if (slash == std::string::npos) return;
  }
}

MemFs::InodePtr MemFs::OpenOrCreate(const std::string& path) {
  Place place;
  CHECK(Walk(path, true, place) == 0, "a test writes where no directory is");
  return place.inode != nullptr ? place.inode : CreateAt(place, FileType::kRegular, 0644);
}

void MemFs::Append(const std::string& path, std::string_view bytes) {
  MutexLock lock(mutex_);
  WriteTo(*OpenOrCreate(path), bytes);
}

std::shared_ptr<MemFs::Handle> MemFs::OpenToAppend(const std::string& path) {
  MutexLock lock(mutex_);
  const InodePtr inode = OpenOrCreate(path);
  ++inode->handles;
  return {new Handle{inode}, [this](Handle* handle) {
            MutexLock relock(mutex_);
            --handle->inode->handles;
            FreeIfUnused(*handle->inode);
            delete handle;
          }};
}

void MemFs::Append(const std::shared_ptr<Handle>& handle, std::string_view bytes) {
  MutexLock lock(mutex_);
  WriteTo(*handle->inode, bytes);
}

void MemFs::Truncate(const std::string& path, uint64_t size) {
  MutexLock lock(mutex_);
  const InodePtr inode = OpenOrCreate(path);
  inode->data.resize(size);
  Touch(*inode);
  NotifyModified(*inode, watch::kModify);
}

void MemFs::Overwrite(const std::string& path, std::string_view bytes) {
  Truncate(path, 0);
  Append(path, bytes);
}

void MemFs::Move(const std::string& from, const std::string& to) {
  CHECK(Rename(from, to).has_value(), "rename in a test");
}

void MemFs::Unlink(const std::string& path) { CHECK(Remove(path).has_value(), "unlink in a test"); }

void MemFs::RemoveTree(const std::string& path) {
  Place place;
  CHECK(Walk(path, false, place) == 0 && place.inode != nullptr, "remove in a test");
  std::vector<std::string> names;
  for (const auto& [name, inode] : place.inode->entries) names.push_back(name);
  for (const std::string& name : names) RemoveTree(platform::Join(path, name));
  DropName(place);
}

void MemFs::RemoveAll(const std::string& path) {
  MutexLock lock(mutex_);
  RemoveTree(path);
}

void MemFs::Symlink(const std::string& target, const std::string& path) {
  MutexLock lock(mutex_);
  Place place;
  CHECK(Walk(path, false, place) == 0 && place.inode == nullptr, "symlink in a test");
  CreateAt(place, FileType::kSymlink, 0777)->data = target;
}

void MemFs::Chmod(const std::string& path, uint32_t mode) {
  MutexLock lock(mutex_);
  Place place;
  CHECK(Walk(path, true, place) == 0 && place.inode != nullptr, "chmod in a test");
  place.inode->mode = mode;
  NotifyModified(*place.inode, watch::kAttrib);
}

std::string MemFs::Content(const std::string& path) {
  MutexLock lock(mutex_);
  Place place;
  CHECK(Walk(path, true, place) == 0 && place.inode != nullptr, "a test reads a missing file");
  return place.inode->data;
}

bool MemFs::Exists(const std::string& path) { return LinkStat(path).has_value(); }

uint64_t MemFs::InodeOf(const std::string& path) {
  const auto stat = Stat(path);
  return stat ? stat->inode : 0;
}

// -- crashes --

size_t MemFs::open_handles() const {
  MutexLock lock(mutex_);
  return open_handles_;
}

void MemFs::Restore(const InodePtr& inode, Lost lost, std::set<Inode*>& seen) {
  if (!seen.insert(inode.get()).second) return;
  if (inode->number == 0) inode->number = next_inode_++;
  if (inode->links == 0) inode->links = 1;
  if (inode->type == FileType::kRegular) inode->data = inode->durable_data;
  if (inode->type == FileType::kDirectory && lost == Lost::kUnsynced) inode->entries = inode->durable_entries;
  for (const auto& [name, child] : inode->entries) Restore(child, lost, seen);
}

void MemFs::SyncAll() {
  MutexLock lock(mutex_);
  std::vector<InodePtr> todo{root_};
  while (!todo.empty()) {
    const InodePtr inode = todo.back();
    todo.pop_back();
    inode->durable_data = inode->data;
    inode->durable_entries = inode->entries;
    for (const auto& [name, child] : inode->entries) todo.push_back(child);
  }
}

void MemFs::Crash(Lost lost) {
  MutexLock lock(mutex_);
  for (MemWatcher* watcher : watchers_) watcher->Die();
  if (lost == Lost::kNothing) return;
  std::set<Inode*> seen;
  Restore(root_, lost, seen);
}

}  // namespace agent::testing
