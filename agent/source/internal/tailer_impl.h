// SPDX-License-Identifier: Apache-2.0
// The tailer's inside, on the io thread. One class over several files, each an idea:
//   targets.cc      targets come, change and go
//   follow.cc       what a path leads to, and what that means
//   attach.cc       a file that a path has not led to before
//   generations.cc  one generation from its first byte to its last
//   pinned.cc       deleted files that are still needed
//   restarts.cc     a container's next run
//   recover.cc      after a restart: where saved positions continue
//   siblings.cc     rotated files beside a path
//   rhythm.cc       ticks: hot directories, lingering, polling, retries
//   save.cc         positions out
//   time_to_loss.cc how long unread bytes will live
//   explain.cc      for people
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/source/internal/dir_tree.h"
#include "agent/source/internal/findings.h"
#include "agent/source/internal/generation.h"
#include "agent/source/tailer.h"

namespace agent::source {

class Tailer::Impl final : public TreeListener {
 public:
  Impl(TailerOptions options, TailerParts parts, MonoTime now);
  ~Impl() override;

  void SetTargets(uint32_t scrape_config, std::vector<std::shared_ptr<const Target>> targets, MonoTime now);
  void TargetsComplete();
  void Reconfigure(TailerOptions options) { options_ = std::move(options); }
  Duration HandleEvents(MonoTime now);
  void Tick(MonoTime now);
  MonoTime NextDeadline() const;
  bool Save(MonoTime now);
  int event_fd() const { return parts_.watcher != nullptr ? parts_.watcher->fd() : -1; }
  std::vector<FileView> Files() const;
  std::vector<std::string> Explain(const std::string& path) const;
  uint64_t pinned_bytes() const { return pinned_; }
  size_t watches() const { return tree_.watches(); }
  bool polling() const { return tree_.any_polled(); }

 private:
  using ChainMap = std::multimap<std::string_view, std::unique_ptr<Chain>>;

  // -- TreeListener: hints --
  void Appeared(const std::string& path, const std::vector<PatternId>& patterns) override;
  void RotatedAppeared(const std::string& base, const std::vector<PatternId>& patterns) override;
  void Vanished(const std::string& path) override;
  void Moved(const std::string& from, const std::string& to) override;
  void Modified(const std::string& path) override;
  void DirectoryGone(const std::string& directory) override;
  void Overflowed() override;

  // -- targets.cc --
  Result<std::unique_ptr<Slot>> MakeSlot(uint32_t scrape_config, std::shared_ptr<const Target> target);
  void Relabel(Slot& slot, std::shared_ptr<const Target> target);
  void Retire(Slot& slot);
  void EraseDeadSlots();
  void RecoverOrphans();
  void RecoverOrphan(Slot& slot, const std::string& path);

  // -- follow.cc --
  Chain& GetChain(Slot& slot, const std::string& path);
  template <class Visit> void VisitChainsAt(const std::string& path, Visit visit);
  template <class Visit> void VisitGenerationsAt(const std::string& path, Visit visit);
  void MarkDirty(Chain& chain);
  void LingerNow();
  void Settle();
  void Look(Chain& chain);
  void LookNowhere(Chain& chain, const Error& error);
  void Exclude(Chain& chain, std::string why, const platform::FileStat& stat);
  std::optional<LabelMap> LabelsFor(const Slot& slot, const std::string& path, std::string& why) const;
  // -- attach.cc --
  void Attach(Chain& chain, const platform::FileStat& looked);
  void AttachOpen(Chain& chain, Start start);
  Result<bool> AttachElsewhere(Chain& chain, const Start& start);
  bool AttachKnown(Chain& chain, const Start& start);
  Result<bool> AttachSettled(Chain& chain, const Start& start);
  Result<bool> AttachUnclaimed(Chain& chain, const Start& start);
  bool RefuseAsArchive(Chain& chain, const Start& start);
  bool SuspectCopy(Chain& chain, const Start& start);
  bool WaitsForItsBase(Chain& chain);
  void Revert(Chain& chain, Generation& generation);
  void Detach(Generation& generation);
  Status AdoptMissed(Chain& chain);

  // -- follow.cc, trouble.cc --
  void Trouble(Chain& chain, const Error& error);
  void Ignore(Chain& chain, std::string why, const platform::FileStat& stat);
  void RetryAt(Chain& chain, MonoTime when);
  void ClearTrouble(Chain& chain);
  void EraseIfEmpty(Chain& chain);
  Generation* FindGeneration(const Slot& slot, const platform::FileStat& stat);
  Generation* FindRetired(const Slot& slot, const platform::FileStat& stat);

  // -- generations.cc --
  Generation* Begin(Chain& chain, Start start);
  Generation* ContinueAt(Generation& old, uint64_t offset, bool own_order);
  bool Inspect(Generation& generation, bool check_head);
  void Truncated(Generation& generation, uint64_t high);
  Result<bool> ContinueInCopy(Generation& generation);
  void GoOnInCopy(Generation& generation, const Sibling& copy, std::shared_ptr<platform::File> file);
  void Finish(Generation& generation);
  bool EndUnread(Generation& generation);
  bool EndUnreadBehind(Chain& chain, const std::function<bool(const Generation&)>& is_behind, std::vector<Generation*>& ended);
  void BeginAgain(const std::vector<Generation*>& ended);
  void Seal(Generation& generation, LossReason reason);
  void ReportLoss(Generation& generation);
  bool TryRelabel(Generation& generation);
  void Linger(Generation& generation);
  void ReadOnLate(Generation& late);
  bool MayFinish(const Generation& generation) const;
  bool TryClose(Generation& generation);
  void Remove(Generation& generation);
  void SetLocation(Generation& generation, std::string location);
  void Register(Generation& generation);
  void Unregister(Generation& generation);
  void InspectArchive(Generation& generation);
  // -- pinned.cc --
  void EnforcePinnedBudget();
  void GiveUp(Generation& generation);
  bool ReadOnInArchive(Generation& generation);
  Result<bool> MoveIntoArchive(Generation& generation);
  Result<std::optional<Sibling>> ArchiveOfDeleted(const Generation& generation);
  bool IsLost(Generation& generation);
  Status ReadOnGivenUp(Generation& generation, const Sibling& archive);

  // -- restarts.cc --
  Duration Ago(WallNanos when) const;
  Chain* RunAt(const Slot* slot, const std::string& path);
  Chain* LastRun(const Chain& chain);
  Chain* NextRun(const Chain& chain);
  void RecoverLastRun(const Chain& chain);
  void ComeAfterLastRun(Chain& chain, Start& start);
  void HasFirstBytes(Generation& generation);
  void Supersede(Generation& last, const Generation& next);
  void SupersedeIfNextHasBegun(Generation& generation);

  // -- settled files --
  void AddSettled(Settled settled);
  Result<Settled*> FindSettled(const std::string& job, const platform::FileStat& stat, const std::string& path,
                               platform::File* open = nullptr);
  void EraseSettled(const Settled* settled);
  void MoveSettled(const std::string& from, const std::string& to);
  void Complete(Settled& settled, platform::File& file);
  void CheckSettledAt(const std::string& path);
  void CheckGrownAt(const std::string& path);
  bool CheckSettled(Settled& settled);
  bool FollowSettled(Settled& settled);
  Status TurnIntoArchive(const Settled& settled);
  Result<std::optional<Sibling>> ArchiveOf(const Settled& settled, bool& grown);
  Result<bool> IsArchiveOfSettled(const Settled& settled, const Sibling& archive, bool grown);
  Result<bool> Continues(const Settled& settled, const Sibling& archive);
  Chain* ChainOf(const Settled& settled);
  Status ReadOn(Chain& chain, const Settled& settled, const Sibling& where);

  // -- recover.cc --
  // What a failing disk hides is an error: it is looked at again before anything newer.
  Status Recover(Chain& chain, const platform::FileStat* current);
  Status RecoverSaved(Chain& chain, const SavedPosition& saved, const platform::FileStat* current,
                      Recovery& recovery);
  void BeginRecovered(Chain& chain, Recovery recovery);
  std::vector<SavedPosition> TakeSaved(const Slot& slot, const std::string& follows);
  void GiveBackResume(Chain& chain);
  Result<bool> Verify(const SavedPosition& saved, platform::File& file, const platform::FileStat& stat);
  Result<std::optional<Found>> Locate(const SavedPosition& saved, const Chain& chain, const Recovery& recovery);
  Result<std::optional<Found>> OpenIf(const SavedPosition& saved, const std::string& path);
  Result<std::optional<Found>> LocateByContent(const SavedPosition& saved, const Chain& chain,
                                               const Recovery& recovery);
  void ContinueSaved(Chain& chain, const SavedPosition& saved, Found found);
  Status AdoptSiblings(Chain& chain, const platform::FileStat* current);
  void AdoptSibling(Chain& chain, Sibling sibling, bool own_order);
  Result<std::vector<Sibling>> UnknownSiblings(Chain& chain, const platform::FileStat* current,
                                               std::vector<Sibling>& history);
  Result<std::vector<Sibling>> UnknownAsListed(Chain& chain, const platform::FileStat* current,
                                               std::vector<Sibling>& history, bool& moved);
  void RememberHistory(Chain& chain, const std::vector<Sibling>& history);
  Result<bool> IsCopyOfCurrent(Chain& chain, const Sibling& sibling);
  bool HasImported(const Chain& chain) const;
  Result<bool> BeginsAs(Generation& generation, platform::File& file);
  Result<std::vector<Sibling>> SiblingsOf(const std::string& directory, const std::string& base);
  Result<std::shared_ptr<platform::File>> OpenSibling(const Sibling& sibling);
  Result<bool> IsKnown(const Chain& chain, const Sibling& sibling);
  Status CheckSettledIn(const std::string& directory);
  Result<bool> IsArchiveOfKnown(const Chain& chain, const Sibling& sibling);
  Result<bool> IsArchiveOf(const Archive& archive, Generation& generation);
  Result<Archive> LookInto(const Sibling& sibling);
  Result<const SavedPosition*> FindUnclaimed(const Slot& slot, const platform::FileStat& stat, platform::File& file);
  uint64_t ImportedOffset(const Chain& chain, const std::shared_ptr<platform::File>& file, uint64_t size);
  void GiveUpUnclaimed();

  // -- rhythm.cc --
  void NoteWrite(const std::string& directory);
  void TickHot();
  void TickLinger();
  void TickPolled();
  void TickRetries();
  void TickSync();
  void TickSave();
  void UpdateMetrics();

  // -- time_to_loss.cc --
  void UpdateRates();
  std::optional<double> SecondsToLoss(const Chain& chain) const;

  // -- save.cc --
  bool AnythingToSave() const;
  bool AnythingUnderway() const;  // a file has more than its lane has committed
  void SaveSoon();
  WallNanos SeenUntil();
  std::vector<PositionView> Collect();
  bool BehindAHole(const Generation& generation) const;
  PositionView SavedOf(Generation& generation);

  TailerOptions options_;
  TailerParts parts_;
  MonoTime now_;
  DirTree tree_;

  uint64_t next_id_ = 1;
  std::map<uint64_t, std::unique_ptr<Slot>> slots_;
  ChainMap chains_;  // by path; this key and those below are views of what they lead to
  std::multimap<std::string_view, Chain*> chains_by_real_;   // where a symlink's file is
  std::multimap<std::string_view, Generation*> by_location_;
  std::unordered_multimap<uint64_t, Generation*> by_inode_;
  std::unordered_multimap<uint64_t, std::unique_ptr<Settled>> settled_;  // by inode
  std::multimap<std::string_view, Settled*> settled_by_path_;
  std::map<std::string_view, std::unique_ptr<Directory>> directories_;
  std::vector<Chain*> dirty_;
  std::set<Generation*, ByAge> lingering_;  // not current: watched until settled
  std::set<Chain*> troubled_;        // with a retry
  std::vector<Directory*> hot_;

  std::vector<SavedPosition> unclaimed_;
  std::map<std::string, std::string> imported_;  // Promtail's positions, by path
  std::set<std::pair<std::string, std::string>> imported_used_;  // by (job, path)
  std::map<std::string, std::vector<platform::DirEntry>> listings_;  // of one Settle
  int64_t alive_since_ns_ = 0;  // rotated files that are older were seen, or are history
  WallNanos seen_until_ = 0;    // as the next save will say
  bool targets_complete_ = false;
  bool list_changed_ = false;   // a generation came or went since the last save

  MonoTime next_hot_ = kNever, next_linger_ = kNever, next_poll_ = kNever;
  MonoTime next_sync_, next_save_;
  uint32_t syncs_ = 0;
  MonoTime rates_at_{}, last_events_{};
  int event_burst_ = 0;
  uint64_t pinned_ = 0, overflows_seen_ = 0;
};

template <class Visit>
void Tailer::Impl::VisitChainsAt(const std::string& path, Visit visit) {
  const auto [first, last] = chains_.equal_range(path);
  for (auto it = first; it != last; ++it) visit(*it->second);
  const auto [real_first, real_last] = chains_by_real_.equal_range(path);
  for (auto it = real_first; it != real_last; ++it) visit(*it->second);
}

template <class Visit>
void Tailer::Impl::VisitGenerationsAt(const std::string& path, Visit visit) {
  std::vector<Generation*> there;  // a visit may move them
  const auto [first, last] = by_location_.equal_range(path);
  for (auto it = first; it != last; ++it) there.push_back(it->second);
  for (Generation* generation : there) visit(*generation);
}

}  // namespace agent::source
