// SPDX-License-Identifier: Apache-2.0
// Framers as tables of bytes and the records they must give, and the property that
// any split of the bytes into chunks gives the same records.
#include "agent/frame/framer.h"

#include <gtest/gtest.h>

#include <random>

#include "agent/model/dump.h"

namespace agent::frame {
namespace {

constexpr WallNanos kWall = 7'000'000'000;

// Reads `bytes` the way a lane does, in pieces of the given sizes (cyclic; empty: whole).
class Reader {
 public:
  explicit Reader(FramerOptions options) : framer_(MakeFramer(options, counters)) {}

  std::string Read(std::string_view bytes, const std::vector<size_t>& pieces = {}) {
    std::string out;
    std::string window;
    size_t at = 0;
    size_t piece = 0;
    uint64_t offset = 0;
    while (at < bytes.size()) {
      const size_t n = pieces.empty() ? bytes.size() : pieces[piece++ % pieces.size()];
      window += bytes.substr(at, n);
      at += std::min(n, bytes.size() - at);
      while (true) {
        const size_t used = framer_->Feed(window, offset, *file, base, kWall, interner, batch);
        Take(out);
        window.erase(0, used);
        offset += used;
        if (used == 0) break;
      }
    }
    rest_ = window;
    rest_offset_ = offset;
    return out;
  }
  std::string Last() {
    framer_->FeedLast(rest_, rest_offset_, *file, base, kWall, interner, batch);
    std::string out;
    Take(out);
    return out;
  }
  std::string Flush() {
    framer_->Flush(base, interner, batch);
    std::string out;
    Take(out);
    return out;
  }

  FrameCounters counters;
  LabelInterner interner;
  RecordBatch batch;
  std::shared_ptr<TailedFile> file = std::make_shared<TailedFile>();
  const LabelSet* base = interner.Intern(LabelMap{{"f", "1"}});
  std::vector<uint64_t> begins;

 private:
  void Take(std::string& out) {
    out += Dump(batch.records());
    for (const Record* record : batch.records()) begins.push_back(record->origin.begin);
    batch.Reset();
  }
  std::unique_ptr<Framer> framer_;
  std::string rest_;
  uint64_t rest_offset_ = 0;
};

struct Case {
  const char* name;
  Format format;
  std::string_view bytes;
  std::string_view expected;
  uint64_t not_in_format = 0;
};

const Case kCases[] = {
    {"plain lines get rising times", Format::kPlain, "one\ntwo\r\n\nopen",
     "7.000000000 {f=\"1\"} \"one\"\n7.000000001 {f=\"1\"} \"two\\r\"\n7.000000002 {f=\"1\"} \"\"\n"},
    {"cri", Format::kCri,
     "2016-10-06T00:17:09.669794202Z stdout F log content 1\n"
     "2016-10-06T00:17:10Z stderr F \n"
     "2016-10-06T09:17:11.5+09:00 stdout F  two spaces\n",
     "1475713029.669794202 {f=\"1\", stream=\"stdout\"} \"log content 1\"\n"
     "1475713030.000000000 {f=\"1\", stream=\"stderr\"} \"\"\n"
     "1475713031.500000000 {f=\"1\", stream=\"stdout\"} \" two spaces\"\n"},
    {"cri partials are joined per stream, with the last one's time", Format::kCri,
     "2016-10-06T00:17:09.1Z stdout P a\n2016-10-06T00:17:09.2Z stderr F err\n"
     "2016-10-06T00:17:09.3Z stdout P b\n2016-10-06T00:17:09.4Z stdout F c\n"
     "2016-10-06T00:17:09.5Z stdout F d\n",
     "1475713029.200000000 {f=\"1\", stream=\"stderr\"} \"err\"\n"
     "1475713029.400000000 {f=\"1\", stream=\"stdout\"} \"abc\"\n"
     "1475713029.500000000 {f=\"1\", stream=\"stdout\"} \"d\"\n"},
    {"lines that are no cri ship as they are", Format::kCri,
     "plain text\n2016-10-06T00:17:09Z stdout\n2016-10-06T00:17:09Z stdout F\n"
     "2016-10-06T00:17:09Z stdlog F x\n\n2016-10-06T00:17:09Z stdout F ok\n2016-10-06T00:17:09Z\tq stdout F x\n",
     "7.000000000 {f=\"1\"} \"plain text\"\n7.000000001 {f=\"1\"} \"2016-10-06T00:17:09Z stdout\"\n"
     "7.000000002 {f=\"1\"} \"2016-10-06T00:17:09Z stdout F\"\n"
     "7.000000003 {f=\"1\"} \"2016-10-06T00:17:09Z stdlog F x\"\n7.000000004 {f=\"1\"} \"\"\n"
     "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"ok\"\n"
     "7.000000005 {f=\"1\"} \"2016-10-06T00:17:09Z\\tq stdout F x\"\n",
     6},
    {"a bad time is the last one and a nanosecond", Format::kCri,
     "2016-10-06T00:17:09Z stdout F ok\nnever stdout F a\n2016-13-06T00:17:09Z stdout F b\n",
     "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"ok\"\n"
     "1475713029.000000001 {f=\"1\", stream=\"stdout\"} \"a\"\n"
     "1475713029.000000002 {f=\"1\", stream=\"stdout\"} \"b\"\n"},
    {"times are known by labels, the stream among them", Format::kCri,
     "2016-10-06T00:17:09Z stdout F ok\nnever stderr F a\nno cri\n2016-10-06T00:17:10Z stderr F b\n"
     "never stderr F c\nnever stdout F d\n",
     "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"ok\"\n"
     "7.000000000 {f=\"1\", stream=\"stderr\"} \"a\"\n"
     "7.000000001 {f=\"1\"} \"no cri\"\n"
     "1475713030.000000000 {f=\"1\", stream=\"stderr\"} \"b\"\n"
     "1475713030.000000001 {f=\"1\", stream=\"stderr\"} \"c\"\n"
     "1475713029.000000001 {f=\"1\", stream=\"stdout\"} \"d\"\n",
     1},
    {"longer flags are a full line", Format::kCri, "2016-10-06T00:17:09Z stdout F:x:y hello\n",
     "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"hello\"\n"},
    {"docker", Format::kDocker,
     "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"2016-10-06T00:17:09.669794202Z\"}\n"
     "{ \"time\" : \"2016-10-06T00:17:10Z\", \"attrs\":{\"a\":[1,-2.5e3,null,true]}, \"stream\":\"stderr\","
     "\"log\":\"\\u00e9\\ud83d\\ude00\\ud800\\t\\\"\" }\n"
     "{}\nnot json\n{\"log\":null}\n{\"log\":\"x\"} trailing\n{\"log\":\"cut",
     "1475713029.669794202 {f=\"1\", stream=\"stdout\"} \"one\\n\"\n"
     "1475713030.000000000 {f=\"1\", stream=\"stderr\"} \"\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd\\t\\\"\"\n"
     "7.000000000 {f=\"1\"} \"{}\"\n7.000000001 {f=\"1\"} \"not json\"\n"
     "7.000000002 {f=\"1\"} \"{\\\"log\\\":null}\"\n"
     "7.000000003 {f=\"1\"} \"{\\\"log\\\":\\\"x\\\"} trailing\"\n",
     2},
};

TEST(FramerTest, Table) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Reader reader({.format = c.format});
    EXPECT_EQ(reader.Read(c.bytes), c.expected);
    EXPECT_EQ(reader.counters.not_in_format, c.not_in_format);
    reader.Flush();
  }
}

TEST(FramerTest, AnySplitGivesTheSameRecords) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const Case& c : kCases) {
    if (c.format == Format::kPlain) continue;  // its times depend on the read
    SCOPED_TRACE(c.name);
    for (int round = 0; round < 200; ++round) {
      std::vector<size_t> pieces;
      for (int i = 0; i < 7; ++i) pieces.push_back(1 + random() % 90);
      Reader reader({.format = c.format});
      ASSERT_EQ(reader.Read(c.bytes, pieces), c.expected);
      reader.Flush();
    }
  }
}

TEST(FramerTest, BeginsAreTheLinesOffsets) {
  Reader reader({.format = Format::kCri});
  const std::string line = "2016-10-06T00:17:09Z stdout F x\n";
  reader.Read(line + "2016-10-06T00:17:09Z stdout P a\n2016-10-06T00:17:09Z stderr F e\n" + line + line);
  const uint64_t n = line.size();
  EXPECT_EQ(reader.begins, (std::vector<uint64_t>{0, 2 * n, n, 4 * n})) << "a joined line begins at its first fragment";
}

TEST(FramerTest, AnOpenPartialHoldsThePosition) {
  Reader reader({.format = Format::kCri});
  const std::string line = "2016-10-06T00:17:09Z stdout F x\n";
  const std::string open = "2016-10-06T00:17:09Z stdout P half\n";
  reader.Read(line + open);
  reader.file->receipts.SetProcessed(line.size() + open.size());
  EXPECT_EQ(reader.file->receipts.Committed(), line.size());
  EXPECT_EQ(reader.Flush(), "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"half\"\n");
  EXPECT_EQ(reader.file->receipts.Committed(), line.size() + open.size());
}

TEST(FramerTest, APartialOverARotationHoldsBothFiles) {
  FrameCounters counters;
  LabelInterner interner;  // outlives the framer, which pins its sets
  auto framer = MakeFramer({.format = Format::kCri}, counters);
  RecordBatch batch;
  const LabelSet* base = interner.Intern(LabelMap{});
  auto first = std::make_shared<TailedFile>();
  auto second = std::make_shared<TailedFile>();
  framer->Feed("2016-10-06T00:17:09Z stdout P a\n", 100, *first, base, kWall, interner, batch);
  framer->Feed("2016-10-06T00:17:09Z stdout P b\n", 0, *second, base, kWall, interner, batch);
  EXPECT_TRUE(batch.records().empty());
  EXPECT_FALSE(first->receipts.Settled());
  EXPECT_FALSE(second->receipts.Settled());
  framer->Feed("2016-10-06T00:17:09Z stdout F c\n", 32, *second, base, kWall, interner, batch);
  ASSERT_EQ(batch.records().size(), 1u);
  const Record& record = *batch.records()[0];
  EXPECT_EQ(record.line, "abc");
  EXPECT_EQ(record.origin.file, first.get());
  EXPECT_EQ(record.origin.begin, 100u);
  ASSERT_NE(record.origin.more, nullptr);
  EXPECT_EQ(record.origin.more->file, second.get());
  EXPECT_EQ(record.origin.more->begin, 0u);
  EXPECT_TRUE(first->receipts.Settled());
}

TEST(FramerTest, LastLineWithoutNewlineShipsWhenTheFileIsFinished) {
  Reader reader({.format = Format::kCri});
  EXPECT_EQ(reader.Read("2016-10-06T00:17:09Z stdout F x"), "");
  EXPECT_EQ(reader.Last(), "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"x\"\n");
  EXPECT_EQ(reader.Last(), "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"x\"\n");
}

TEST(FramerTest, PartialsAreCutAsConfigured) {
  const std::string bytes = "2016-10-06T00:17:09Z stdout P abcdef\n2016-10-06T00:17:09Z stdout F ghi\n"
                            "2016-10-06T00:17:09Z stdout F longer than four\n";
  Reader reader({.format = Format::kCri, .max_partial_line_size = 4, .truncate_partials = true});
  EXPECT_EQ(reader.Read(bytes),
            "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"abcd\"\n"
            "1475713029.000000000 {f=\"1\", stream=\"stdout\"} \"longer than four\"\n");
  EXPECT_EQ(reader.counters.cut_lines, 2u);
}

TEST(FramerTest, DockerValuesThatAreNoText) {
  Reader reader({.format = Format::kDocker});
  EXPECT_EQ(reader.Read("{\"log\":42.50,\"stream\":true,\"time\":\"2016-10-06T00:17:09Z\"}\n"
                        "{\"log\":{\"a\": [1, \"<\"]},\"stream\":[1, 2],\"time\":7}\n"),
            "1475713029.000000000 {f=\"1\", stream=\"true\"} \"42.5\"\n"
            "7.000000000 {f=\"1\", stream=\"[1,2]\"} \"{\\\"a\\\":[1,\\\"\\\\u003c\\\"]}\"\n");
}

std::shared_ptr<const text::Charset> CharsetOf(std::string_view name) { return text::Charset::Find(name).value(); }

std::string Utf16(std::u16string_view text, bool big_endian) {
  std::string out;
  for (const char16_t unit : text) {
    const char bytes[] = {static_cast<char>(unit >> 8), static_cast<char>(unit & 0xff)};
    out += bytes[big_endian ? 0 : 1];
    out += bytes[big_endian ? 1 : 0];
  }
  return out;
}

TEST(FramerTest, ReadsOtherCharacterSets) {
  Reader latin({.charset = CharsetOf("iso-8859-1")});
  EXPECT_EQ(latin.Read("gr\xfc\xdf\nplain\n"), "7.000000000 {f=\"1\"} \"grüß\"\n7.000000001 {f=\"1\"} \"plain\"\n");
  EXPECT_EQ(latin.begins, (std::vector<uint64_t>{0, 5})) << "offsets are those of the file";
  Reader rest({.charset = CharsetOf("iso-8859-1")});
  rest.Read("\xe9");
  EXPECT_EQ(rest.Last(), "7.000000000 {f=\"1\"} \"é\"\n");
}

// Ċ is U+010A: one of its bytes is a newline's.
TEST(FramerTest, CutsUtf16AtItsOwnLineBreaks) {
  const std::u16string text = u"gr\u00fcn\n\u010A\u0A0A\n\U0001F600\n";
  const std::string expected =
      "7.000000000 {f=\"1\"} \"grün\"\n7.000000001 {f=\"1\"} \"Ċ\u0A0A\"\n7.000000002 {f=\"1\"} \"😀\"\n";
  for (const bool big : {false, true}) {
    const char* const named = big ? "utf-16be" : "utf-16le";
    for (const std::string& bytes : {Utf16(text, big), Utf16(u"\ufeff" + text, big)}) {
      const bool marked = bytes.size() > 2 * text.size();
      for (const size_t piece : {1, 2, 3, 7, 1000}) {
        SCOPED_TRACE(std::string(named) + (marked ? " with a mark, " : ", ") + std::to_string(piece));
        Reader reader({.charset = CharsetOf(marked ? "utf-16" : named)});
        EXPECT_EQ(reader.Read(bytes, {piece}), expected);
        const uint64_t mark = marked ? 2 : 0;
        EXPECT_EQ(reader.begins, (std::vector<uint64_t>{0, mark + 10, mark + 16}));
      }
    }
  }
}

TEST(FramerTest, StandardInputHasRulesOfItsOwn) {
  Reader reader({.trim_lines = true});
  EXPECT_EQ(reader.Read("one\r\n\n\r\r\n two \nlast\r"),
            "7.000000000 {f=\"1\"} \"one\"\n7.000000001 {f=\"1\"} \" two \"\n");
  EXPECT_EQ(reader.begins, (std::vector<uint64_t>{0, 9})) << "what is left out still counts";
  EXPECT_EQ(reader.Last(), "7.000000002 {f=\"1\"} \"last\"\n");
}

// Promtail's reader of packed files takes one carriage return away; that of plain files none.
TEST(FramerTest, LinesOfUnpackedFilesLoseOneCarriageReturn) {
  Reader reader({.drop_carriage_return = true});
  EXPECT_EQ(reader.Read("one\r\n\r\n\ntwo\r\r\n"),
            "7.000000000 {f=\"1\"} \"one\"\n7.000000001 {f=\"1\"} \"\"\n7.000000002 {f=\"1\"} \"\"\n"
            "7.000000003 {f=\"1\"} \"two\\r\"\n");
}

TEST(FramerTest, TimesAsGoReadsThem) {
  const struct { const char* text; const char* seconds; } cases[] = {
      {"1970-01-01T00:00:00Z", "0.000000000"},
      {"1969-12-31T23:59:59.999999999Z", "-1.999999999"},
      {"2024-02-29T12:00:00,25Z", "1709208000.250000000"},
      {"2024-02-29T12:00:00.1234567891Z", "1709208000.123456789"},
      {"2024-02-29T12:00:00.123-00:30", "1709209800.123000000"},
      {"2023-02-29T12:00:00Z", nullptr},
      {"2024-02-29t12:00:00Z", nullptr},
      {"2024-02-29T24:00:00Z", nullptr},
      {"2024-02-29T12:60:00Z", nullptr},
      {"2024-02-29T12:00:60Z", nullptr},
      {"2024-02-29T12:00:00", nullptr},
      {"2024-02-29T12:00:00.Z", nullptr},
      {"2024-02-29T12:00:00.12345678xZ", nullptr},
      {"2024-02-29T12:00:00.x23456789Z", nullptr},
      {"2024-02-29T12:00:00+0900", nullptr},
      {"2300-01-01T00:00:00Z", "10413792000.000000000"},
      {"0001-01-01T00:00:00Z", "-62135596800.000000000"},
      {"0000-12-31T23:59:59Z", "-9223372037.145224192"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    Reader reader({.format = Format::kCri});
    const std::string out = reader.Read(std::string(c.text) + " stdout F x\n");
    const std::string time = c.seconds == nullptr ? "7.000000000" : c.seconds;
    EXPECT_EQ(out, time + " {f=\"1\", stream=\"stdout\"} \"x\"\n");
  }
}

}  // namespace
}  // namespace agent::frame
