// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "agent/core/log.h"
#include "agent/source/internal/rotated_names.h"
#include "agent/source/internal/tailer_impl.h"

namespace agent::source {
namespace {

constexpr Duration kHeadCheckEvery = std::chrono::milliseconds(250);
constexpr Duration kQuietWhenAway = std::chrono::seconds(10);
constexpr Duration kQuietWhenDeleted = std::chrono::seconds(1);
constexpr Duration kOldLinger = std::chrono::seconds(5);
constexpr Duration kKeepDeleted = std::chrono::seconds(5);
constexpr Duration kSealNotice = std::chrono::seconds(1);
constexpr uint64_t kScanStep = 64 * 1024;

template <class Metric>
void Count(Metric* metric, double amount = 1) {
  if (metric != nullptr) metric->Add(amount);
}

// The end of the first line that ends at or after `from`; 0 = none ends yet.
uint64_t NextLineEnd(platform::File& file, uint64_t start, uint64_t from) {
  std::array<char, kScanStep> bytes;
  if (from == start) return from;
  uint64_t at = from - 1;  // the byte before may be the newline
  while (true) {
    auto got = ReadFully(file, at, bytes);
    if (!got || *got == 0) return 0;
    const std::string_view text(bytes.data(), *got);
    const size_t newline = text.find('\n');
    if (newline != std::string_view::npos) return at + newline + 1;
    at += *got;
  }
}

}  // namespace

Generation* Tailer::Impl::Begin(Chain& chain, Start start) {
  std::string why;
  auto labels = LabelsFor(*chain.slot, chain.path, why);
  if (!labels) {
    Ignore(chain, std::move(why), start.stat);
    chain.excluded = true;
    return nullptr;
  }
  auto source = MakeUnpackingSource(start.packing, start.file);
  if (!source) {
    Trouble(chain, source.error());
    return nullptr;
  }
  ComeAfterLastRun(chain, start);
  auto made = std::make_unique<Generation>();
  Generation& generation = *made;
  generation.chain = &chain;
  generation.packing = start.packing;
  generation.place = start.place;
  generation.size = start.stat.size;
  generation.modified_ns = start.stat.modified_ns;
  generation.last_growth = generation.detached_at = generation.head_checked_at = now_;
  generation.identity = {start.stat.device, start.stat.inode, start.stat.born_ns, start.head};
  if (start.packing == Packing::kPlain) {
    (void)CheckHead(*start.file, generation.identity.head).has_value();
  } else if (start.head.length == 0) {
    auto head = UnpackedHead(start.packing, start.file, Fingerprint::kMost);
    if (head) generation.identity.head = *head;
  }

  auto file = std::make_shared<TailedFile>();
  file->id = next_id_++;
  file->chain = start.lane_chain != 0 ? start.lane_chain : start.own_order ? next_id_++ : chain.id;
  file->path = chain.path;
  file->target = chain.slot->target;
  file->labels = std::move(*labels);
  file->start_offset = start.offset;
  file->read_offset.store(start.offset, std::memory_order_relaxed);
  file->committed_offset.store(start.offset, std::memory_order_relaxed);
  file->size.store(start.packing == Packing::kPlain ? start.stat.size : 0, std::memory_order_relaxed);
  // A packed file was complete when it was packed.
  file->finished.store(start.packing != Packing::kPlain, std::memory_order_relaxed);
  for (auto it = chain.generations.rbegin(); it != chain.generations.rend(); ++it) {
    if ((*it)->file->chain != file->chain) continue;
    if (!(*it)->drained()) file->predecessor = (*it)->file;
    break;
  }
  if (start.after != nullptr && !start.after->drained.load(std::memory_order_acquire)) file->predecessor = start.after;
  generation.source = source->get();
  file->bytes = std::move(*source);
  generation.file = std::move(file);

  chain.generations.push_back(std::move(made));
  if (start.place == Place::kCurrent) chain.current = &generation;
  Register(generation);
  SetLocation(generation, start.location);
  if (start.place != Place::kCurrent || generation.finished()) {
    lingering_.insert(&generation);
    next_linger_ = std::min(next_linger_, now_);
  }
  list_changed_ = true;
  LogDebug("a file is followed", {{"path", chain.path}, {"at", start.location}, {"inode", start.stat.inode},
                                  {"offset", start.offset}, {"size", start.stat.size}});
  parts_.sink.Add(generation.file);
  if (generation.size > 0) HasFirstBytes(generation);
  SupersedeIfNextHasBegun(generation);
  return &generation;
}

// Another generation in the same open file, from `offset` on. `old` only waits to be
// settled from now on.
Generation* Tailer::Impl::ContinueAt(Generation& old, uint64_t offset, bool own_order) {
  std::shared_ptr<platform::File> file = old.source->file();
  if (file == nullptr || old.continued) return nullptr;
  // An error would leave it behind whatever comes next: what was last seen of it will do.
  const platform::FileStat seen{.type = platform::FileType::kRegular, .device = old.identity.device,
                                .inode = old.identity.inode, .size = old.size,
                                .modified_ns = old.modified_ns, .born_ns = old.identity.born_ns};
  const auto stat = file->Stat().value_or(seen);
  const std::string location(old.location());
  const Place place = old.place;
  old.continued = true;
  Unregister(old);
  SetLocation(old, "");
  if (old.chain->current == &old) old.chain->current = nullptr;
  lingering_.insert(&old);
  Start start{file, stat, location, offset, place, old.packing, old.identity.head, own_order, 0, nullptr};
  if (old.file->chain != old.chain->id) start.lane_chain = old.file->chain;
  Generation* made = Begin(*old.chain, std::move(start));
  if (made != nullptr && location.empty()) made->other_path = old.other_path;
  return made;
}

// Looks at an open file: has it grown, shrunk, or lost its last name? False: the disk cannot tell.
bool Tailer::Impl::Inspect(Generation& generation, bool check_head) {
  if (generation.sealed || generation.continued) return true;
  if (generation.packing != Packing::kPlain) {
    InspectArchive(generation);
    return true;
  }
  if (generation.cut) {
    Truncated(generation, generation.size);
    return true;
  }
  // Before the stat: what the lane reads after it is not in the stat.
  const uint64_t handed_out = generation.source->handed_out();
  const std::shared_ptr<platform::File> file = generation.source->file();
  auto stat = file->Stat();
  if (!stat) return false;
  if (stat->links == 0 && generation.place == Place::kAway) {
    generation.place = Place::kDeleted;
    generation.detached_at = now_;
  }
  const uint64_t high = std::max(generation.size, handed_out);
  Fingerprint& head = generation.identity.head;
  if (stat->size < high) {
    auto same = CheckHead(*file, head);
    const bool unread_only = stat->size >= handed_out && same && *same != HeadCheck::kDifferent;
    if (!unread_only) {
      Truncated(generation, high);
      return true;
    }
  }
  const bool grown = stat->size > generation.size;
  const bool head_complete = generation.head_complete();  // a disk error may have hidden it
  if (!grown && !check_head && head_complete && stat->modified_ns == generation.modified_ns) return true;
  generation.modified_ns = stat->modified_ns;
  if (check_head || !head_complete || head.length < Fingerprint::kMost || now_ - generation.head_checked_at >= kHeadCheckEvery) {
    generation.head_checked_at = now_;
    auto same = CheckHead(*file, head);
    if (same && *same == HeadCheck::kDifferent) {
      Truncated(generation, high);
      return true;
    }
  }
  if (stat->size == generation.size) return true;
  const bool first_bytes = generation.size == 0;
  if (grown) generation.chain->written += stat->size - generation.size;
  generation.size = stat->size;
  generation.file->size.store(stat->size, std::memory_order_relaxed);
  generation.last_growth = now_;
  SaveSoon();
  if (first_bytes) HasFirstBytes(generation);
  if (grown && !generation.finished()) parts_.sink.Readable(generation.file);
  return true;
}

// An archive grows no more, but it may be deleted.
void Tailer::Impl::InspectArchive(Generation& generation) {
  const std::shared_ptr<platform::File> file = generation.source->file();
  if (file == nullptr || generation.place != Place::kAway) return;
  const auto stat = file->Stat();
  if (!stat || stat->links > 0) return;
  generation.place = Place::kDeleted;
  generation.detached_at = now_;
}

// The writer has cut the file. What was not read is lost, unless it made a copy first
// (logrotate's copytruncate does): then this generation is read to its end there.
void Tailer::Impl::Truncated(Generation& generation, uint64_t high) {
  Chain& chain = *generation.chain;
  const bool current = chain.current == &generation;
  generation.size = high;
  generation.cut = true;
  generation.source->Hold(true);
  auto copied = ContinueInCopy(generation);
  if (!copied) {  // what is beside it cannot be seen now
    chain.unsure = true;
    RetryAt(chain, now_ + std::chrono::seconds(1));
    return;
  }
  if (current) chain.current = nullptr;
  Count(parts_.metrics.truncations);
  if (!*copied) {
    Unregister(generation);
    SetLocation(generation, "");
    Seal(generation, LossReason::kTruncated);
  }
  lingering_.insert(&generation);
  next_linger_ = std::min(next_linger_, now_);
  if (current) MarkDirty(chain);
}

Result<bool> Tailer::Impl::ContinueInCopy(Generation& generation) {
  // The lane may have read on since the last look.
  const Fingerprint read = generation.source->head();
  if (read.length > generation.identity.head.length) generation.identity.head = read;
  const Fingerprint head = generation.identity.head;
  if (head.length == 0 || !generation.located) return false;
  listings_.clear();
  auto siblings = SiblingsOf(std::string(platform::DirectoryOf(generation.location())),
                             std::string(platform::BaseOf(generation.location())));
  if (!siblings) return Forward(siblings);
  for (const Sibling& sibling : *siblings) {
    if (sibling.packing != Packing::kPlain || sibling.stat.size < generation.size) continue;
    if (FindGeneration(*generation.chain->slot, sibling.stat) != nullptr) continue;
    auto file = OpenSibling(sibling);
    if (!file && file.error().code == Code::kPermission) continue;
    if (!file) return Forward(file);
    if (*file == nullptr) return Fail(Code::kNotFound, sibling.path + ": it has been renamed");  // asked again
    Fingerprint same = head;
    auto checked = CheckHead(**file, same);
    if (!checked) return Forward(checked);
    if (*checked == HeadCheck::kDifferent) continue;
    GoOnInCopy(generation, sibling, std::move(*file));
    return true;
  }
  return false;
}

void Tailer::Impl::GoOnInCopy(Generation& generation, const Sibling& copy, std::shared_ptr<platform::File> file) {
  const auto settled = FindSettled(generation.chain->slot->target->job, copy.stat, copy.path);
  if (settled && *settled != nullptr) EraseSettled(*settled);
  Unregister(generation);
  generation.source->Replace(std::move(file));
  generation.identity.device = copy.stat.device;
  generation.identity.inode = copy.stat.inode;
  generation.identity.born_ns = copy.stat.born_ns;
  generation.place = Place::kAway;
  generation.detached_at = now_;
  generation.cut = false;
  Register(generation);
  SetLocation(generation, copy.path);
  Finish(generation);
}

// No byte will follow: the lane may ship an unterminated last line.
void Tailer::Impl::Finish(Generation& generation) {
  if (generation.finished()) return;
  if (const auto file = generation.source->file()) {
    auto stat = file->Stat();
    if (stat) generation.size = std::max(generation.size, stat->size);
  }
  LogDebug("a file is complete", {{"path", generation.file->path}, {"inode", generation.identity.inode},
                                  {"size", generation.size}});
  generation.limit = generation.size;
  if (!generation.source->CutAt(generation.limit)) {  // more has come and was read already
    generation.limit = generation.size = generation.source->handed_out();
    (void)generation.source->CutAt(generation.limit);
  }
  generation.file->size.store(generation.size, std::memory_order_relaxed);
  generation.file->finished.store(true, std::memory_order_release);
  lingering_.insert(&generation);
  next_linger_ = std::min(next_linger_, now_);
  parts_.sink.Readable(generation.file);
}

// Ends a generation of which no byte was read, for it to begin again. False: too late.
bool Tailer::Impl::EndUnread(Generation& generation) {
  const uint64_t start = generation.file->start_offset;
  if (generation.packing != Packing::kPlain || generation.continued || generation.cut) return false;
  if (!generation.source->CutAt(start)) return false;
  generation.limit = start;
  generation.file->finished.store(true, std::memory_order_release);
  lingering_.insert(&generation);  // should it not begin again at once
  next_linger_ = std::min(next_linger_, now_);
  parts_.sink.Readable(generation.file);
  return true;
}

// Nothing more can be read, or may be. The loss is known when the lane has noticed.
void Tailer::Impl::Seal(Generation& generation, LossReason reason) {
  LogDebug("a file is given up", {{"path", generation.file->path}, {"inode", generation.identity.inode},
                                  {"reason", NameOf(reason)}});
  generation.sealed = true;
  generation.sealed_at = now_;
  generation.seal_reason = reason;
  generation.source->Seal();
  if (reason == LossReason::kPinnedBudget) generation.file->abandoned.store(true, std::memory_order_relaxed);
  generation.file->finished.store(true, std::memory_order_release);
  parts_.sink.Readable(generation.file);
}

void Tailer::Impl::ReportLoss(Generation& generation) {
  if (!generation.sealed || generation.loss_reported) return;
  const bool noticed =
      generation.source->seal_seen() || generation.drained() || now_ - generation.sealed_at >= kSealNotice;
  if (!noticed || (generation.given_up && !IsLost(generation))) return;
  generation.loss_reported = true;
  const uint64_t read = generation.file->read_offset.load(std::memory_order_relaxed);
  const bool packed = generation.packing != Packing::kPlain && generation.limit != UINT64_MAX;
  const uint64_t end = packed ? generation.limit : generation.size;
  if (end <= read) return;
  const uint64_t bytes = end - read;
  Count(parts_.metrics.lost_bytes, static_cast<double>(bytes));
  parts_.losses.Lost({generation.seal_reason, generation.file->target->job, generation.file->path, bytes,
                      generation.file});
}

// New labels from the next line end on. False: no line has ended yet, try again.
bool Tailer::Impl::TryRelabel(Generation& generation) {
  const std::shared_ptr<platform::File> file = generation.source->file();
  if (file == nullptr || generation.finished()) return true;
  while (true) {
    const uint64_t high = std::max(generation.source->handed_out(), generation.file->start_offset);
    const uint64_t cut = NextLineEnd(*file, generation.file->start_offset, high);
    if (cut == 0) return false;
    if (!generation.source->CutAt(cut)) continue;  // the lane was faster
    generation.limit = cut;
    generation.file->finished.store(true, std::memory_order_release);
    lingering_.insert(&generation);  // should it not go on at once
    next_linger_ = std::min(next_linger_, now_);
    parts_.sink.Readable(generation.file);
    ContinueAt(generation, cut, false);
    return true;
  }
}

bool Tailer::Impl::MayFinish(const Generation& generation) const {
  const Duration quiet = now_ - std::max(generation.detached_at, generation.last_growth);
  if (generation.superseded && (quiet >= kQuietWhenDeleted || now_ - generation.detached_at >= kQuietWhenAway)) return true;
  if (generation.place == Place::kCurrent) return false;
  const auto& all = generation.chain->generations;
  auto next = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.get() == &generation; });
  if (++next != all.end() && ((*next)->size > 0 || (*next)->finished())) return true;
  return quiet >= (generation.place == Place::kDeleted ? kQuietWhenDeleted : kQuietWhenAway);
}

// One look at a generation that is on its way out.
void Tailer::Impl::Linger(Generation& generation) {
  if (generation.relabel) generation.relabel = !TryRelabel(generation);
  if (now_ >= generation.look_at || generation.drained()) {  // nothing is closed without a last look
    if (Inspect(generation, false)) generation.looked_at = now_;
    // Events tell of most changes; in an outage there are thousands of these.
    const bool old = generation.finished() && now_ - std::max(generation.detached_at, generation.last_growth) > kQuietWhenAway;
    generation.look_at = old ? now_ + kOldLinger : MonoTime{};
  }
  ReportLoss(generation);
  // Where the disk cannot tell its size now, an end in the middle of a line would be taken for the last.
  if (!generation.finished() && generation.looked_at == now_ && MayFinish(generation)) Finish(generation);
  // Bytes after the end: the writer had not moved on after all.
  if (generation.finished() && !generation.sealed && !generation.continued && generation.size > generation.limit &&
      generation.packing == Packing::kPlain) {
    ReadOnLate(generation);
  }
}

// Bytes behind what was taken for the end. Whatever comes after them in the chain, and was not
// read yet, begins again behind them; else they are read on their own, out of order.
void Tailer::Impl::ReadOnLate(Generation& late) {
  Chain& chain = *late.chain;
  std::vector<Generation*> ended;
  const bool in_order = late.file->chain == chain.id &&
                        EndUnreadBehind(chain, [&](const Generation& next) { return &next != &late; }, ended);
  ContinueAt(late, late.limit, !in_order);
  BeginAgain(ended);
}

// Ends what stands at the end of the chain's order, newest first, as long as it is behind what is
// to be read before it. False: something of that was read already.
bool Tailer::Impl::EndUnreadBehind(Chain& chain, const std::function<bool(const Generation&)>& is_behind,
                                   std::vector<Generation*>& ended) {
  if (chain.passed_on) return false;
  for (auto it = chain.generations.rbegin(); it != chain.generations.rend(); ++it) {
    Generation& next = **it;
    const bool nothing = next.sealed || (next.continued && next.limit == next.file->start_offset);
    if (nothing || next.file->chain != chain.id) continue;
    if (!is_behind(next)) return true;
    if (!EndUnread(next)) return false;
    ended.push_back(&next);
  }
  return true;
}

void Tailer::Impl::BeginAgain(const std::vector<Generation*>& ended) {
  for (auto it = ended.rbegin(); it != ended.rend(); ++it) ContinueAt(**it, (*it)->file->start_offset, false);
}

// True if the generation was settled, and is gone.
bool Tailer::Impl::TryClose(Generation& generation) {
  if (!generation.drained()) return false;
  if ((generation.sealed && !generation.loss_reported) || BehindAHole(generation)) return false;
  if (!generation.sealed && generation.looked_at != now_) return false;  // drained just now
  // Without it its archive would not be known.
  if (!generation.sealed && !generation.continued && !generation.head_complete()) return false;
  Chain& chain = *generation.chain;
  if (!generation.sealed && !generation.continued) {
    if (generation.place == Place::kDeleted && now_ - generation.detached_at < kKeepDeleted) return false;
    const uint64_t end = generation.file->committed_offset.load(std::memory_order_relaxed);
    Settled settled{chain.slot->target->job, chain.path,          generation.last_path(), generation.identity,
                    generation.packing,      end,                 generation.size,      SavedOf(generation).mark};
    if (generation.packing == Packing::kPlain && end > 0 && settled.mark.length == 0) return false;  // nor if it grows yet
    if (generation.place != Place::kDeleted) AddSettled(std::move(settled));
    else if (!TurnIntoArchive(settled)) return false;  // later
  }
  Remove(generation);
  EraseIfEmpty(chain);
  return true;
}

void Tailer::Impl::Remove(Generation& generation) {
  Chain& chain = *generation.chain;
  LogDebug("a file is settled", {{"path", chain.path}, {"inode", generation.identity.inode}, {"at", generation.last_path()}});
  Unregister(generation);
  SetLocation(generation, "");
  generation.source->Seal();  // others may hold the TailedFile for long
  lingering_.erase(&generation);
  if (chain.current == &generation) {
    chain.current = nullptr;
    MarkDirty(chain);
  }
  list_changed_ = true;
  std::erase_if(chain.generations, [&](const auto& each) { return each.get() == &generation; });
}

void Tailer::Impl::Register(Generation& generation) {
  by_inode_.emplace(generation.identity.inode, &generation);
}

void Tailer::Impl::Unregister(Generation& generation) {
  const auto [first, last] = by_inode_.equal_range(generation.identity.inode);
  for (auto it = first; it != last; ++it) {
    if (it->second != &generation) continue;
    by_inode_.erase(it);
    return;
  }
}

void Tailer::Impl::SetLocation(Generation& generation, std::string location) {
  if (generation.location() == location) return;
  if (generation.located) {
    const auto [first, last] = by_location_.equal_range(generation.location());
    for (auto it = first; it != last; ++it) {
      if (it->second != &generation) continue;
      by_location_.erase(it);
      break;
    }
    const auto found = directories_.find(platform::DirectoryOf(generation.location()));
    Directory& directory = *found->second;
    std::erase(directory.generations, &generation);
    tree_.Unpin(directory.path);
    if (directory.generations.empty()) {
      std::erase(hot_, &directory);
      if (directory.hot) tree_.SetQuiet(directory.path, false);
      directories_.erase(found);
    }
  }
  generation.located = !location.empty();
  if (!generation.located) return;
  generation.other_path = location == generation.chain->path ? std::string() : std::move(location);
  by_location_.emplace(generation.location(), &generation);
  const std::string path(platform::DirectoryOf(generation.location()));
  auto found = directories_.find(path);
  if (found == directories_.end()) {
    auto directory = std::make_unique<Directory>();
    directory->path = path;
    directory->poll_at = now_;
    found = directories_.emplace(directory->path, std::move(directory)).first;
  }
  found->second->generations.push_back(&generation);
  tree_.Pin(path);
  if (tree_.Polled(path)) next_poll_ = std::min(next_poll_, now_ + options_.poll_period);
}

}  // namespace agent::source
