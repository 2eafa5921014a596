// SPDX-License-Identifier: Apache-2.0
// The reader of Loki's error bodies, which come from outside: any bytes, no crash, and
// results that keep what the header promises.
#include <cstdint>
#include <string_view>

#include "agent/core/check.h"
#include "agent/push/internal/label_text.h"
#include "agent/push/internal/payload.h"
#include "agent/push/internal/response_class.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace agent::push;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const Classified answer = Classify(400, body);
  CHECK(answer.error.sentence.size() <= 310, "the sentence for people is short");
  for (const RefusedItem& item : answer.error.refused) {
    CHECK(item.reason[0] != '\0', "a refusal has a reason");
    if (item.stream.empty() || item.stream == "{}") continue;
    const auto read = ReadLabelText(item.stream);
    CHECK(read && read->size == item.stream.size() && read->labels == item.labels, "a stream's text is its labels");
    CHECK(MeansStream(item.labels, item.labels), "a stream means itself");
  }
  PushRequest request;
  for (const char* labels : {"{app=\"a\"}", "{}"}) {
    auto& stream = *request.add_streams();
    stream.set_labels(labels);
    for (int i = 0; i < 4; ++i) {
      auto& entry = *stream.add_entries();
      entry.mutable_timestamp()->set_seconds(1'700'000'000 + i);
      entry.set_line("12345");
    }
  }
  uint64_t entries = 0;
  uint64_t ours = 0;
  for (const agent::Refusal& refusal : Attribute(request, answer.error, entries)) {
    for (const auto& stream : request.streams()) ours += stream.labels() == refusal.stream ? refusal.entries : 0;
  }
  CHECK(ours <= 8 || entries >= ours, "no entry is refused twice");
  ParseRfc3339Second(body);
  return 0;
}
