// SPDX-License-Identifier: Apache-2.0
#include "agent/batch/batcher.h"

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <utility>

#include "agent/batch/internal/buffers.h"
#include "agent/batch/internal/encode.h"
#include "agent/batch/internal/wire.h"
#include "agent/core/check.h"
#include "agent/model/stream_list.h"

namespace agent::batch {
namespace {

constexpr std::string_view kTenantLabel = "__tenant_id__";

struct Group;

// One stream of one group; its entries of the open batch are framed in `entries`.
struct Stream {
  Group* group = nullptr;
  std::string labels;  // text form, external labels included
  Buffer entries;
  size_t hint = 0;  // bytes of the last batch
  bool used = false;  // since the last ForgetIdleStreams
  uint64_t lines = 0;  // since the last Close, whole runs of them
  std::shared_ptr<StreamUse> use;  // null: no pod lists it
  const Tally* listed = nullptr;   // which knows of the stream since the last Close
};

// What goes out in one sequence: a tenant's shard, with its open batch.
struct Group {
  std::string tenant;
  uint32_t shard = 0;
  BatchId id = 0;  // 0 = no batch is open
  MonoTime opened{};
  uint64_t size = 0;  // as Promtail counts it
  uint32_t entries = 0;
  std::vector<Stream*> streams;  // with entries in the open batch
  std::vector<std::shared_ptr<TailedFile>> files;
  std::unordered_map<std::string_view, std::unique_ptr<Stream>> by_labels;  // by Stream::labels
};

}  // namespace

struct Batcher::Impl {
  Impl(BatcherOptions o, ByteBudget& b, PushSink& s, BatchEvents e, std::function<BatchId()> n)
      : options(std::move(o)),
        budget(b),
        sink(s),
        events(std::move(e)),
        next_id(std::move(n)),
        pool(2 * options.batch_size) {}

  struct Known {
    LabelPin set;
    Stream* stream = nullptr;
  };

  Stream& StreamOf(const LabelSet* set);
  Stream& MakeStream(const LabelSet* set);
  void List(Stream& stream, const Record& record, MonoTime now);
  void AddOne(const Record& record, Stream& stream, MonoTime now);
  void Open(Group& group, MonoTime now);
  void Close(Group& group);
  void Receipt(Group& group, const Record& record);
  bool FitLine(const Record& record, std::string_view& line);
  void SyncBudget();

  const BatcherOptions options;
  ByteBudget& budget;
  PushSink& sink;
  const BatchEvents events;
  const std::function<BatchId()> next_id;
  BufferPool pool;
  Compressor compressor;
  std::vector<Known> known;  // by LabelSet::id
  std::vector<std::unique_ptr<Group>> groups;
  std::vector<std::string_view> pieces;  // scratch of Close
  std::vector<char> headers;             // scratch of Close
  uint64_t open_bytes = 0;
  uint64_t leased_open = 0;  // of the budget, for open_bytes; brought in line once per call
};

Stream& Batcher::Impl::StreamOf(const LabelSet* set) {
  if (set->id() < known.size() && known[set->id()].set.get() == set) [[likely]] {
    return *known[set->id()].stream;
  }
  Stream& stream = MakeStream(set);
  if (set->id() >= known.size()) known.resize(set->id() + 1);
  known[set->id()] = Known{LabelPin(set), &stream};
  return stream;
}

Stream& Batcher::Impl::MakeStream(const LabelSet* set) {
  LabelMap labels = set->ToMap();
  std::string tenant = options.tenant;
  if (const auto own = labels.find(kTenantLabel); own != labels.end()) tenant = own->second;
  labels.insert(options.external_labels.begin(), options.external_labels.end());
  std::string text = FormatLabels(labels);
  const auto shard = static_cast<uint32_t>(std::hash<std::string>{}(text) % std::max(1u, options.shards));
  auto found = std::find_if(groups.begin(), groups.end(),
                            [&](const auto& g) { return g->shard == shard && g->tenant == tenant; });
  if (found == groups.end()) {
    groups.push_back(std::make_unique<Group>());
    found = groups.end() - 1;
    (*found)->tenant = tenant;
    (*found)->shard = shard;
  }
  const auto known_stream = (*found)->by_labels.find(text);
  if (known_stream != (*found)->by_labels.end()) return *known_stream->second;
  auto stream = std::make_unique<Stream>();
  stream->group = found->get();
  stream->labels = std::move(text);
  stream->labels.shrink_to_fit();  // kept for long, in thousands
  Stream& made = *stream;
  (*found)->by_labels.emplace(made.labels, std::move(stream));
  return made;
}

// Tells the record's pod that it feeds the stream, once per batch.
void Batcher::Impl::List(Stream& stream, const Record& record, MonoTime now) {
  Tally* const tally = record.origin.file == nullptr ? nullptr : record.origin.file->tally.get();
  if (tally == nullptr || tally == stream.listed) return;
  stream.listed = tally;
  if (stream.use == nullptr) stream.use = std::make_shared<StreamUse>(stream.labels);
  stream.use = tally->streams.Join(std::move(stream.use), now);
}

void Batcher::Impl::SyncBudget() {
  if (open_bytes > leased_open) {
    budget.Take(open_bytes - leased_open);
  } else {
    budget.Give(leased_open - open_bytes);
  }
  leased_open = open_bytes;
}

void Batcher::Impl::Open(Group& group, MonoTime now) {
  group.id = next_id();
  group.opened = now;
}

// False: the line is over the limit and is dropped.
bool Batcher::Impl::FitLine(const Record& record, std::string_view& line) {
  line = record.line;
  if (options.max_line_size == 0 || line.size() <= options.max_line_size) [[likely]] return true;
  if (!options.max_line_size_truncate) {
    if (events.on_limit) events.on_limit(BatchEvents::Kind::kLineTooLong, record, line.size());
    return false;
  }
  if (events.on_limit) {
    events.on_limit(BatchEvents::Kind::kLineTruncated, record, line.size() - options.max_line_size);
  }
  line = line.substr(0, options.max_line_size);
  return true;
}

void Batcher::Impl::Receipt(Group& group, const Record& record) {
  for (const Origin* origin = &record.origin; origin != nullptr; origin = origin->more) {
    if (origin->file == nullptr) continue;
    if (origin->file->receipts.AddToBatch(group.id, origin->begin)) {
      group.files.push_back(origin->file->shared_from_this());
    }
  }
}

void Batcher::Impl::AddOne(const Record& record, Stream& stream, MonoTime now) {
  std::string_view line;
  if (!FitLine(record, line)) return;
  Group& group = *stream.group;
  uint64_t counted = line.size();
  for (const MetadataPair* p = record.metadata; p != nullptr; p = p->next) counted += wire::PairSize(*p);
  if (group.id != 0 && group.size + counted > options.batch_size) Close(group);
  if (group.id == 0) Open(group, now);
  if (stream.entries.size() == 0) {
    if (options.max_streams > 0 && group.streams.size() >= options.max_streams) {
      if (events.on_limit) events.on_limit(BatchEvents::Kind::kStreamLimited, record, line.size());
      return;
    }
    group.streams.push_back(&stream);
    stream.used = true;
  }
  const size_t room = line.size() + wire::EntryMetadataRoom(record) + wire::kEntryOverhead;
  if (stream.entries.capacity() - stream.entries.size() < room) pool.Reserve(stream.entries, room, stream.hint);
  char* const at = stream.entries.end();
  const auto wrote = static_cast<size_t>(wire::PutEntry(at, record, line) - at);
  stream.entries.Wrote(wrote);
  open_bytes += wrote;
  group.size += counted;
  ++group.entries;
  Receipt(group, record);
}

void Batcher::Impl::Close(Group& group) {
  auto batch = std::make_unique<PushBatch>();
  // Headers first, all into one buffer that is large enough from the start, so that
  // the pieces may point into it.
  size_t header_room = 0;
  for (const Stream* stream : group.streams) header_room += stream->labels.size() + 32;
  if (headers.size() < header_room) headers.resize(header_room);
  char* to = headers.data();
  pieces.clear();
  uint64_t raw = 0;
  for (const Stream* stream : group.streams) {
    char* const start = to;
    *to++ = wire::kRequestStreams;
    const size_t labels_size = stream->labels.empty() ? 0 : wire::BytesFieldSize(stream->labels.size());
    to = wire::PutVarint(to, labels_size + stream->entries.size());
    if (labels_size > 0) to = wire::PutBytesField(to, wire::kStreamLabels, stream->labels);
    pieces.emplace_back(start, static_cast<size_t>(to - start));
    pieces.emplace_back(stream->entries.data(), stream->entries.size());
    raw += static_cast<uint64_t>(to - start) + stream->entries.size();
  }
  batch->body = compressor.Compress(pieces);
  uint64_t released = 0;
  for (Stream* stream : group.streams) {
    released += stream->entries.size();
    if (stream->use != nullptr) {
      stream->use->lines.fetch_add(std::exchange(stream->lines, 0), std::memory_order_relaxed);
      stream->use->bytes.fetch_add(stream->entries.size(), std::memory_order_relaxed);
      stream->listed = nullptr;
    }
    stream->hint = stream->entries.size();
    pool.Recycle(stream->entries);
  }
  batch->id = group.id;
  batch->lane = options.lane;
  batch->client = options.client;
  batch->tenant = group.tenant;
  batch->shard = group.shard;
  batch->raw_bytes = raw;
  batch->entries = group.entries;
  batch->line_bytes = group.size;
  batch->opened = group.opened;
  batch->files = std::move(group.files);
  batch->leased = batch->body.size;
  budget.Take(batch->leased);
  open_bytes -= released;
  group.files.clear();
  group.streams.clear();
  group.id = 0;
  group.size = 0;
  group.entries = 0;
  sink.Send(std::move(batch));
}

Batcher::Batcher(BatcherOptions options, ByteBudget& budget, PushSink& sink, BatchEvents events,
                 std::function<BatchId()> next_id)
    : impl_(std::make_unique<Impl>(std::move(options), budget, sink, std::move(events), std::move(next_id))) {}

Batcher::~Batcher() { impl_->budget.Give(impl_->leased_open); }

void Batcher::Add(const std::vector<Record*>& records, MonoTime now) {
  const LabelSet* last_set = nullptr;
  Stream* stream = nullptr;
  auto run = records.begin();  // of one stream
  for (auto record = records.begin(); record != records.end(); ++record) {
    if ((*record)->labels != last_set) {
      if (stream != nullptr) stream->lines += static_cast<uint64_t>(record - run);
      run = record;
      last_set = (*record)->labels;
      stream = &impl_->StreamOf(last_set);
      if (impl_->options.list_streams) impl_->List(*stream, **record, now);
    }
    impl_->AddOne(**record, *stream, now);
  }
  if (stream != nullptr) stream->lines += static_cast<uint64_t>(records.end() - run);
  impl_->SyncBudget();
}

void Batcher::Tick(MonoTime now, bool all) {
  for (const auto& group : impl_->groups) {
    if (group->id == 0) continue;
    if (all || now >= group->opened + impl_->options.batch_wait) impl_->Close(*group);
  }
  impl_->SyncBudget();
}

MonoTime Batcher::NextDeadline() const {
  MonoTime next = kNever;
  for (const auto& group : impl_->groups) {
    if (group->id != 0) next = std::min(next, group->opened + impl_->options.batch_wait);
  }
  return next;
}

void Batcher::ForgetIdleStreams() {
  impl_->known.clear();
  for (const auto& group : impl_->groups) {
    std::erase_if(group->by_labels, [](const auto& item) {
      Stream& stream = *item.second;
      if (stream.entries.size() > 0) return false;
      return !std::exchange(stream.used, false);
    });
  }
  std::erase_if(impl_->groups, [](const auto& group) { return group->id == 0 && group->by_labels.empty(); });
}

void Batcher::Rest() {
  impl_->pool.Release();
  impl_->compressor.Release();
}

uint64_t Batcher::open_bytes() const { return impl_->open_bytes; }

size_t Batcher::streams() const {
  size_t count = 0;
  for (const auto& group : impl_->groups) count += group->by_labels.size();
  return count;
}

}  // namespace agent::batch
