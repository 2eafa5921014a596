// SPDX-License-Identifier: Apache-2.0
// One contract, two file systems: whatever holds for Linux must hold for its memory
// twin, or tests that use the twin prove nothing. Every test runs on both.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "agent/platform/fs.h"
#include "agent/platform/watcher.h"
#include "tests/support/mem_fs.h"

namespace agent::platform {
namespace {

// What the tests need from a world: the interface, and hands to change files with.
class World {
 public:
  virtual ~World() = default;
  virtual Fs& fs() = 0;
  virtual std::unique_ptr<Watcher> MakeWatcher() = 0;
  virtual std::string root() = 0;
  virtual void Append(const std::string& path, std::string_view bytes) = 0;
  virtual void Symlink(const std::string& target, const std::string& path) = 0;
  virtual void RemoveDirectory(const std::string& path) = 0;
  virtual void Truncate(const std::string& path, uint64_t size) = 0;
};

class RealWorld final : public World {
 public:
  RealWorld() {
    std::string pattern = ::testing::TempDir() + "/fs_contract.XXXXXX";
    root_ = std::filesystem::canonical(::mkdtemp(pattern.data())).string();
  }
  ~RealWorld() override { std::filesystem::remove_all(root_); }
  Fs& fs() override { return RealFs(); }
  std::unique_ptr<Watcher> MakeWatcher() override { return std::move(*MakeInotify()); }
  std::string root() override { return root_; }
  void Append(const std::string& path, std::string_view bytes) override {
    std::ofstream(path, std::ios::app) << bytes;
  }
  void Symlink(const std::string& target, const std::string& path) override {
    std::filesystem::create_symlink(target, path);
  }
  void RemoveDirectory(const std::string& path) override { std::filesystem::remove(path); }
  void Truncate(const std::string& path, uint64_t size) override { std::filesystem::resize_file(path, size); }

 private:
  std::string root_;
};

class MemoryWorld final : public World {
 public:
  MemoryWorld() { fs_.MakeDirectories("/work"); }
  Fs& fs() override { return fs_; }
  std::unique_ptr<Watcher> MakeWatcher() override { return fs_.MakeWatcher(); }
  std::string root() override { return "/work"; }
  void Append(const std::string& path, std::string_view bytes) override { fs_.Append(path, bytes); }
  void Symlink(const std::string& target, const std::string& path) override { fs_.Symlink(target, path); }
  void RemoveDirectory(const std::string& path) override { fs_.RemoveAll(path); }
  void Truncate(const std::string& path, uint64_t size) override { fs_.Truncate(path, size); }

 private:
  testing::ManualClock clock_;
  testing::MemFs fs_{clock_};
};

class FsContract : public ::testing::TestWithParam<bool> {
 protected:
  FsContract() {
    if (GetParam()) world_ = std::make_unique<RealWorld>();
    else world_ = std::make_unique<MemoryWorld>();
  }
  Fs& fs() { return world_->fs(); }
  std::string At(const std::string& name) { return Join(world_->root(), name); }

  std::string ReadAll(File& file) {
    std::string out;
    char buffer[7];
    while (true) {
      const auto got = file.ReadAt(out.size(), buffer);
      if (!got || *got == 0) return out;
      out.append(buffer, *got);
    }
  }

  // Everything that the watcher has to say: "bits name" per event, open/close order kept.
  std::vector<std::string> Events(Watcher& watcher) {
    std::vector<std::string> out;
    std::vector<WatchEvent> events;
    while (watcher.Read(events)) {
      for (const WatchEvent& event : events) out.push_back(Describe(event));
      events.clear();
    }
    return out;
  }

  static std::string Describe(const WatchEvent& event) {
    static constexpr std::pair<uint32_t, const char*> kNames[] = {
        {watch::kModify, "modify"},         {watch::kAttrib, "attrib"},   {watch::kMovedFrom, "from"},
        {watch::kMovedTo, "to"},            {watch::kCreate, "create"},   {watch::kDelete, "delete"},
        {watch::kDeleteSelf, "deleteself"}, {watch::kMoveSelf, "moveself"}, {watch::kIgnored, "ignored"},
        {watch::kIsDirectory, "dir"},       {watch::kOverflow, "overflow"},
    };
    std::string text;
    for (const auto& [bit, name] : kNames) {
      if ((event.mask & bit) != 0) text += std::string(text.empty() ? "" : "|") + name;
    }
    return event.name.empty() ? text : text + " " + std::string(event.name);
  }

  static constexpr uint32_t kAll = watch::kModify | watch::kMovedFrom | watch::kMovedTo | watch::kCreate |
                                   watch::kDelete | watch::kDeleteSelf | watch::kMoveSelf;
  std::unique_ptr<World> world_;
};

TEST_P(FsContract, AnOpenFileSurvivesRenameAndUnlink) {
  world_->Append(At("a"), "one ");
  auto file = fs().Open(At("a"), OpenMode::kRead);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(fs().Rename(At("a"), At("b")).has_value());
  world_->Append(At("b"), "two");
  EXPECT_EQ(ReadAll(**file), "one two");
  EXPECT_EQ((*file)->Stat()->inode, fs().Stat(At("b"))->inode);
  ASSERT_TRUE(fs().Remove(At("b")).has_value());
  EXPECT_EQ(ReadAll(**file), "one two");
  EXPECT_EQ((*file)->Stat()->links, 0U);
  EXPECT_EQ(fs().Stat(At("b")).error().code, Code::kNotFound);
}

TEST_P(FsContract, ARenameReplacesItsTarget) {
  world_->Append(At("old"), "old");
  world_->Append(At("new"), "new");
  auto old = fs().Open(At("old"), OpenMode::kRead);
  ASSERT_TRUE(fs().Rename(At("new"), At("old")).has_value());
  EXPECT_EQ(*ReadWhole(fs(), At("old"), 100), "new");
  EXPECT_EQ(ReadAll(**old), "old");
  EXPECT_EQ((*old)->Stat()->links, 0U);
}

TEST_P(FsContract, WritesAppendAndTruncatingEmpties) {
  {
    auto file = fs().Open(At("f"), OpenMode::kTruncate, 0640);
    ASSERT_TRUE((*file)->Write("abc").has_value());
    ASSERT_TRUE((*file)->Write("def").has_value());
    ASSERT_TRUE((*file)->Sync().has_value());
  }
  EXPECT_EQ(*ReadWhole(fs(), At("f"), 100), "abcdef");
  EXPECT_EQ(fs().Stat(At("f"))->mode & 0600U, 0600U);
  EXPECT_EQ(ReadWhole(fs(), At("f"), 3).error().code, Code::kLimit);
  ASSERT_TRUE(fs().SyncDirectory(world_->root()).has_value());
  auto again = fs().Open(At("f"), OpenMode::kTruncate);
  EXPECT_EQ(fs().Stat(At("f"))->size, 0U);
}

TEST_P(FsContract, StatsTellTypesSizesAndIdentity) {
  world_->Append(At("f"), "12345");
  world_->Symlink("f", At("link"));
  world_->Symlink("nowhere", At("dangling"));
  ASSERT_TRUE(fs().MakeDirectory(At("d"), 0755).has_value());
  EXPECT_EQ(fs().Stat(At("f"))->size, 5U);
  EXPECT_EQ(fs().Stat(At("f"))->links, 1U);
  EXPECT_GT(fs().Stat(At("f"))->modified_ns, 0);
  EXPECT_EQ(fs().Stat(At("link"))->type, FileType::kRegular);
  EXPECT_EQ(fs().Stat(At("link"))->inode, fs().Stat(At("f"))->inode);
  EXPECT_EQ(fs().LinkStat(At("link"))->type, FileType::kSymlink);
  EXPECT_EQ(fs().Stat(At("dangling")).error().code, Code::kNotFound);
  EXPECT_EQ(*fs().RealPath(At("link")), At("f"));
  EXPECT_EQ(fs().Stat(At("f/x")).error().code, Code::kNotFound);

  auto entries = fs().List(world_->root());
  ASSERT_TRUE(entries.has_value());
  std::sort(entries->begin(), entries->end(), [](auto& a, auto& b) { return a.name < b.name; });
  ASSERT_EQ(entries->size(), 4U);
  EXPECT_EQ((*entries)[0].name, "d");
  EXPECT_EQ((*entries)[0].type, FileType::kDirectory);
  EXPECT_EQ((*entries)[1].name, "dangling");
  EXPECT_EQ((*entries)[1].type, FileType::kSymlink);
  EXPECT_EQ((*entries)[2].inode, fs().Stat(At("f"))->inode);
  EXPECT_EQ(fs().List(At("f")).error().code, Code::kNotFound);
}

TEST_P(FsContract, ALockIsHeldByOneHandle) {
  auto first = fs().Open(At("lock"), OpenMode::kLock);
  auto second = fs().Open(At("lock"), OpenMode::kLock);
  EXPECT_TRUE(*(*first)->TryLock());
  EXPECT_FALSE(*(*second)->TryLock());
  first->reset();
  EXPECT_TRUE(*(*second)->TryLock());
}

TEST_P(FsContract, WatchesNameWhatHappenedInOrder) {
  world_->Append(At("a"), "1");
  const auto watcher = world_->MakeWatcher();
  ASSERT_TRUE(watcher->Watch(world_->root(), kAll).has_value());
  world_->Append(At("a"), "2");
  world_->Append(At("a"), "3");  // the same as the event before it: merged
  ASSERT_TRUE(fs().Rename(At("a"), At("b")).has_value());
  world_->Append(At("a"), "4");
  world_->Truncate(At("a"), 0);
  ASSERT_TRUE(fs().Remove(At("b")).has_value());
  ASSERT_TRUE(fs().MakeDirectory(At("d"), 0755).has_value());
  world_->RemoveDirectory(At("d"));
  EXPECT_EQ(Events(*watcher),
            (std::vector<std::string>{"modify a", "from a", "to b", "create a", "modify a", "delete b",
                                      "create|dir d", "delete|dir d"}));
}

TEST_P(FsContract, ARenamesHalvesShareACookie) {
  world_->Append(At("a"), "1");
  const auto watcher = world_->MakeWatcher();
  ASSERT_TRUE(watcher->Watch(world_->root(), kAll).has_value());
  ASSERT_TRUE(fs().Rename(At("a"), At("b")).has_value());
  ASSERT_TRUE(fs().Rename(At("b"), At("c")).has_value());
  std::vector<WatchEvent> events;
  ASSERT_TRUE(watcher->Read(events));
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0].cookie, events[1].cookie);
  EXPECT_EQ(events[2].cookie, events[3].cookie);
  EXPECT_NE(events[0].cookie, events[2].cookie);
  events.clear();
  EXPECT_FALSE(watcher->Read(events));
}

TEST_P(FsContract, OneDirectoryHasOneWatchAndTheNewerMask) {
  ASSERT_TRUE(fs().MakeDirectory(At("d"), 0755).has_value());
  world_->Symlink("d", At("link"));
  const auto watcher = world_->MakeWatcher();
  const auto first = watcher->Watch(At("d"), kAll);
  const auto second = watcher->Watch(At("link"), kAll & ~watch::kModify);
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(*first, *second);
  world_->Append(At("d/f"), "x");
  world_->Append(At("d/f"), "y");
  EXPECT_EQ(Events(*watcher), std::vector<std::string>{"create f"});
}

TEST_P(FsContract, ARemovedDirectorySaysGoodbye) {
  ASSERT_TRUE(fs().MakeDirectory(At("d"), 0755).has_value());
  const auto watcher = world_->MakeWatcher();
  ASSERT_TRUE(watcher->Watch(At("d"), kAll).has_value());
  world_->RemoveDirectory(At("d"));
  EXPECT_EQ(Events(*watcher), (std::vector<std::string>{"deleteself", "ignored"}));
  EXPECT_EQ(watcher->Watch(At("d"), kAll).error().code, Code::kNotFound);
}

TEST_P(FsContract, WritesToAnUnlinkedFileAreStillSeenUnderItsOldName) {
  world_->Append(At("f"), "x");
  const auto watcher = world_->MakeWatcher();
  ASSERT_TRUE(watcher->Watch(world_->root(), kAll).has_value());
  auto file = fs().Open(At("f"), OpenMode::kLock);
  ASSERT_TRUE(fs().Rename(At("f"), At("g")).has_value());
  ASSERT_TRUE((*file)->Write("more").has_value());
  EXPECT_EQ(Events(*watcher), (std::vector<std::string>{"from f", "to g", "modify g"}));
}

INSTANTIATE_TEST_SUITE_P(, FsContract, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Linux" : "Memory"; });

}  // namespace
}  // namespace agent::platform
