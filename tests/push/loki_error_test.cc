// SPDX-License-Identifier: Apache-2.0
// Loki's sentences, word for word as versions 2.8 to 3.7 write them (the structured ones
// were taken from a running 3.6.15).
#include "agent/push/internal/loki_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/push/internal/label_text.h"
#include "agent/push/internal/response_class.h"

namespace agent::push {
namespace {

using ::testing::HasSubstr;

// "reason stream xN second length oldest/whole" of each refused item, then the flags.
std::string Summary(const LokiError& error) {
  std::string out;
  for (const RefusedItem& item : error.refused) {
    out += std::string(item.reason) + " " + item.stream + " x" + std::to_string(item.count);
    if (item.second != RefusedItem::kNoSecond) out += " at " + std::to_string(item.second);
    if (item.line_length != 0) out += " len " + std::to_string(item.line_length);
    if (item.oldest) out += " oldest";
    if (item.whole_stream) out += " whole";
    out += "\n";
  }
  for (const LimitedItem& item : error.limited) {
    out += std::string(item.limit == LimitedItem::Limit::kRate ? "rate " : "streams ") + item.stream + "\n";
  }
  if (error.bad_labels) out += "bad_labels\n";
  if (error.tenant_rate) out += "tenant_rate\n";
  if (error.blocked) out += "blocked\n";
  if (error.too_large) out += "too_large\n";
  if (error.empty_request) out += "empty_request\n";
  if (error.unknown > 0) out += "unknown x" + std::to_string(error.unknown) + "\n";
  return out;
}

TEST(LokiError, Sentences) {
  struct Row {
    const char* body;
    const char* summary;
  };
  const Row rows[] = {
      {"", ""},
      {"entry for stream '{app=\"a\"}' has timestamp too old: 2023-11-14T22:13:20Z, oldest acceptable timestamp is: "
       "2023-11-15T00:00:00Z\n",
       "greater_than_max_sample_age {app=\"a\"} x1 at 1700000000\n"},
      {"entry for stream '{app=\"a\"}' has timestamp too new: 2023-11-14T23:13:20+01:00",
       "too_far_in_future {app=\"a\"} x1 at 1700000000\n"},
      {"max entry size '262144' bytes exceeded for stream '{app=\"a\", q=\"it's\"}' while adding an entry with length "
       "'262145' bytes",
       "line_too_long {app=\"a\", q=\"it's\"} x1 len 262145\n"},
      {"Max entry size '5' bytes exceeded for stream '{}' while adding an entry with length '6' bytes",
       "line_too_long {} x1 len 6\n"},
      {"entry for stream '{a=\"b\"}' has 20 label names; limit 15",
       "max_label_names_per_series {a=\"b\"} x1 whole\n"},
      {"stream '{a=\"b\"}' has label name too long: 'aaaa'", "label_name_too_long {a=\"b\"} x1 whole\n"},
      {"stream '{a=\"b\"}' has label value too long: 'b; 3 b'", "label_value_too_long {a=\"b\"} x1 whole\n"},
      {"stream '{a=\"b\"}' has duplicate label name: 'a'", "duplicate_label_names {a=\"b\"} x1 whole\n"},
      {"stream '{a=\"b\"}' includes structured metadata, but this feature is disallowed. Please see "
       "`limits_config.allow_structured_metadata` or contact your Loki administrator to enable it",
       "disallowed_structured_metadata {a=\"b\"} x1\n"},
      {"stream '{a=\"b\"}' has structured metadata too large: '70000' bytes, limit: '65536' bytes. Please see x",
       "structured_metadata_too_large {a=\"b\"} x1\n"},
      {"stream '{a=\"b\"}' has too many structured metadata labels: '200', limit: '128'. Please see x",
       "structured_metadata_too_many {a=\"b\"} x1\n"},
      {"error at least one label pair is required per stream", "missing_labels {} x1 whole\n"},
      {"missing required labels team,env for user fake for stream {a=\"b\"}",
       "missing_enforced_labels {a=\"b\"} x1 whole\n"},
      {"missing required labels 'team' for user 'fake' for stream '{a=\"b\"}' (policy: 'p')",
       "missing_enforced_labels {a=\"b\"} x1 whole\n"},
      {"error parsing labels '{a=}' with error: unexpected", "invalid_labels  x1 whole\n"},
      {"couldn't parse labels: 1:3: parse error: unexpected character inside braces: '.'\n", "bad_labels\n"},
      {"3 errors like: max entry size '5' bytes exceeded for stream '{a=\"; 7 errors like: \"}' while adding an entry "
       "with length '9' bytes; 2 errors like: stream '{b=\"c\"}' has duplicate label name: 'x'; 1 errors like: "
       "something new in Loki 4",
       "line_too_long {a=\"; 7 errors like: \"} x3 len 9\nduplicate_label_names {b=\"c\"} x2 whole\nunknown x1\n"},
      {"entry with timestamp 2023-11-14 22:13:20.25 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp "
       "is: 2023-11-14T22:13:20Z, oldest acceptable timestamp is: 2023-11-14T23:13:20Z',\nuser 'fake', total ignored: 12 "
       "out of 40 for stream: {a=\"b\", service_name=\"b\"}\n",
       "too_far_behind {a=\"b\", service_name=\"b\"} x12 oldest\n"},
      {"entry with timestamp 2023-11-14 22:13:20 +0000 UTC ignored, reason: 'entry out of order',\nuser 'fake', total "
       "ignored: 1 out of 2 for stream: {a=\"b\"}",
       "out_of_order {a=\"b\"} x1 oldest\n"},
      {"entry with timestamp 2023-11-14 22:13:20 +0000 UTC ignored, reason: 'Per stream rate limit exceeded (limit: "
       "1KB/sec) while attempting to ingest for stream '{a=\"b\"}' totaling 101B, consider splitting a stream via "
       "additional labels or contact your Loki administrator to see if the limit can be increased',\nuser 'fake', total "
       "ignored: 50 out of 50 for stream: {a=\"b\"}\n",
       "rate {a=\"b\"}\n"},
      {"Per stream rate limit exceeded (limit: 1KB/sec) while attempting to ingest for stream '{a=\"b\"}' totaling 1B",
       "rate {a=\"b\"}\n"},
      {"maximum active stream limit exceeded when trying to create stream {app=\"c\"}, reduce the number of active "
       "streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be "
       "increased, user: 'fake'\n",
       "streams {app=\"c\"}\n"},
      {"Maximum active stream limit exceeded, reduce the number of active streams", "streams \n"},
      {"ingestion rate limit exceeded for user fake (limit: 4 bytes/sec) while attempting to ingest '1' lines",
       "tenant_rate\n"},
      {"Ingestion rate limit exceeded for user fake", "tenant_rate\n"},
      {"ingestion rate limit exceeded for user fake, policy p (limit: 4 bytes/sec)", "tenant_rate\n"},
      {"ingestion blocked for user fake until '2030-01-01T00:00:00Z' with status code '260'", "blocked\n"},
      {"error at least one valid stream is required for ingestion", "empty_request\n"},
      {"request body too large: 5 bytes, limit: 4 bytes", "too_large\n"},
      {"rpc error: code = ResourceExhausted desc = trying to send message larger than max (5 vs. 4)", "too_large\n"},
      {"compressed message size 5 exceeds limit 4", "too_large\n"},
      {"<html><body>400 Bad Request; go; away</body></html>", ""},
      {"entry for stream '{a=\"b", ""},
      {"5 errors like: ", ""},
  };
  for (const Row& row : rows) {
    const LokiError error = ParseLokiError(row.body);
    EXPECT_EQ(Summary(error), row.summary) << row.body;
  }
}

TEST(LokiError, TheSentenceForPeopleIsShortAndOnOneLine) {
  EXPECT_EQ(ParseLokiError("  a\r\n\tb\x01" "c \n").sentence, "a b c");
  std::string text;
  for (int i = 0; i < 200; ++i) text += "\u00e9";
  const std::string sentence = ParseLokiError(text).sentence;
  EXPECT_LE(sentence.size(), 305u);
  EXPECT_THAT(sentence, HasSubstr(" ..."));
  EXPECT_EQ(static_cast<unsigned char>(sentence[sentence.size() - 5]), 0xa9);  // no half of a character
}

TEST(LokiError, Rfc3339) {
  EXPECT_EQ(ParseRfc3339Second("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseRfc3339Second("2023-11-14T22:13:20.123456Z"), 1'700'000'000);
  EXPECT_EQ(ParseRfc3339Second("2023-11-14T17:13:20-05:00"), 1'700'000'000);
  EXPECT_EQ(ParseRfc3339Second("0001-01-01T00:00:00Z"), -62135596800);
  for (const char* bad : {"", "2023", "2023-13-01T00:00:00Z", "2023-11-14 22:13:20Z", "2023-11-14T22:13:20",
                          "2023-11-14T22:13:20+5", "20x3-11-14T22:13:20Z"}) {
    EXPECT_EQ(ParseRfc3339Second(bad), RefusedItem::kNoSecond) << bad;
  }
}

TEST(LabelText, Read) {
  const auto read = ReadLabelText("{a=\"x\", b=\"\\\"\\\\\\n\\t\\x41\\u00e9\\U0001F600\", c.d=\"\"} rest");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->labels, (LabelMap{{"a", "x"}, {"b", "\"\\\n\tA\u00e9\U0001F600"}, {"c.d", ""}}));
  EXPECT_EQ(read->size, std::string_view("{a=\"x\", b=\"\\\"\\\\\\n\\t\\x41\\u00e9\\U0001F600\", c.d=\"\"}").size());
  EXPECT_TRUE(ReadLabelText("{}")->labels.empty());
  for (const char* bad : {"", "a", "{", "{a", "{a=", "{a=\"", "{a=\"x\"", "{a=\"x\",}", "{=\"x\"}", "{a=\"\\q\"}",
                          "{a=\"\\u12\"}", "{a=\"\\UFFFFFFFF\"}", "{a=x}"}) {
    EXPECT_FALSE(ReadLabelText(bad)) << bad;
  }
}

TEST(LabelText, RoundTripsWithWhatWeWrite) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const LabelMap labels = {{"all", all}, {"utf8", "\u00a0\u200b\u2028 \u65e5\u672c"}, {"plain", "x"}};
  EXPECT_EQ(ReadLabelText(FormatLabels(labels))->labels, labels);
}

TEST(LabelText, MeansStream) {
  const LabelMap ours = {{"app", "a"}, {"empty", ""}};
  EXPECT_TRUE(MeansStream({{"app", "a"}}, ours));
  EXPECT_TRUE(MeansStream({{"app", "a"}, {"service_name", "a"}, {"__stream_shard__", "3"}}, ours));
  EXPECT_TRUE(MeansStream({{"app", "a"}, {"empty", ""}}, ours));
  EXPECT_FALSE(MeansStream({{"app", "b"}}, ours));
  EXPECT_FALSE(MeansStream({{"app", "a"}, {"pod", "x"}}, ours));
  EXPECT_FALSE(MeansStream({}, ours));
  EXPECT_TRUE(MeansStream({{"service_name", "s"}}, {{"service_name", "s"}}));
  EXPECT_FALSE(MeansStream({{"service_name", "t"}}, {{"service_name", "s"}}));
}

TEST(ResponseClass, Table) {
  const std::string refused = "stream '{a=\"b\"}' has duplicate label name: 'a'";
  const std::string too_large = "rpc error: trying to send message larger than max (5 vs. 4)";
  struct Row {
    int status;
    std::string body;
    Verdict verdict;
  };
  const Row rows[] = {
      {200, "", Verdict::kStored},
      {204, "", Verdict::kStored},
      {299, "anything", Verdict::kStored},
      {260, "ingestion blocked for user", Verdict::kBlocked},
      {-1, "", Verdict::kRetry},
      {500, "", Verdict::kRetry},
      {503, refused, Verdict::kRetry},
      {500, too_large, Verdict::kTooLarge},
      {408, "", Verdict::kRetry},
      {425, "", Verdict::kRetry},
      {429, "", Verdict::kRateLimited},
      {429, "ingestion rate limit exceeded for user x", Verdict::kRateLimited},
      {429, "request exceeded limits", Verdict::kRateLimited},
      {429, "maximum active stream limit exceeded", Verdict::kStreamLimited},
      {400, "Per stream rate limit exceeded", Verdict::kStreamLimited},
      {429, "ingestion blocked for user x until", Verdict::kRetry},
      {400, "ingestion blocked for user x until", Verdict::kRetry},
      {413, "", Verdict::kTooLarge},
      {400, "compressed message size 5 exceeds limit 4", Verdict::kTooLarge},
      {400, refused, Verdict::kPartly},
      {400, "couldn't parse labels: x", Verdict::kBadLabels},
      {400, "", Verdict::kUnknownRefusal},
      {400, "snappy: corrupt input", Verdict::kUnknownRefusal},
      {422, "error at least one valid stream is required for ingestion", Verdict::kUnknownRefusal},
      {401, "no org id", Verdict::kMisconfigured},
      {403, refused, Verdict::kMisconfigured},
      {404, "", Verdict::kMisconfigured},
      {405, "", Verdict::kMisconfigured},
      {301, "", Verdict::kMisconfigured},
      {100, "", Verdict::kMisconfigured},
  };
  for (const Row& row : rows) {
    EXPECT_STREQ(Name(Classify(row.status, row.body).verdict), Name(row.verdict)) << row.status << " " << row.body;
  }
}

}  // namespace
}  // namespace agent::push
