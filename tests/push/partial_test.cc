// SPDX-License-Identifier: Apache-2.0
// Answers that concern a part of a batch: what is refused, what is sent again, and what
// is left alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/push/push_harness.h"

namespace agent::push {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using Partial = PushHarness;

std::string Numbers(int from, int to) {
  std::string out;
  for (int i = from; i < to; ++i) out += std::to_string(i) + " ";
  return out;
}
std::vector<std::string> Numbered(int count) {
  std::vector<std::string> lines;
  for (int i = 0; i < count; ++i) lines.push_back(std::to_string(i));
  return lines;
}
std::string Joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + " ";
  return out;
}

TEST_F(Partial, ValidationErrorsAreCountedAndTheRestIsLeftAlone) {
  // 2023-11-14T22:13:20Z is second 1700000000.
  loki_.Script({Answer(
      400,
      "1 errors like: entry for stream '{app=\"a\", service_name=\"a\"}' has timestamp too old: 2023-11-14T22:13:20Z, "
      "oldest acceptable timestamp is: 2023-11-14T22:13:21Z; 2 errors like: max entry size '5' bytes exceeded for "
      "stream '{app=\"b\", service_name=\"b\"}' while adding an entry with length '6' bytes; 1 errors like: entry for "
      "stream '{app=\"c\"}' has 20 label names; limit 15\n",
      true)});
  Send({Stream("a", {"old", "new"}), Stream("b", {"123456", "x", "654321"}), Stream("c", {"12", "34"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), 1u);
  EXPECT_THAT(Refusals(), ElementsAre("greater_than_max_sample_age {app=\"a\"} 1/3", "line_too_long {app=\"b\"} 2/12",
                                      "max_label_names_per_series {app=\"c\"} 2/4"));
  EXPECT_THAT(deliveries_[0].refused[1].detail, HasSubstr("max entry size '5' bytes"));
  EXPECT_TRUE(Exposes("promtail_sent_entries_total{host=\"127.0.0.1:" + std::to_string(loki_.port()) + "\"} 2"));
  EXPECT_TRUE(Exposes("sluice_push_refused_entries_total{client=\"127.0.0.1:" + std::to_string(loki_.port()) +
                      "\",reason=\"line_too_long\"} 2"));
}

TEST_F(Partial, SentencesOfALaterLokiAreCountedToo) {
  loki_.Script({Answer(400,
                       "2 errors like: a rule of Loki 9; 1 errors like: max entry size '1' bytes exceeded for stream "
                       "'{app=\"a\"}' while adding an entry with length '2' bytes\n",
                       true)});
  Send({Stream("a", {"1", "22", "3", "4"})});
  ASSERT_TRUE(Finish());
  EXPECT_THAT(Refusals(), ElementsAre("line_too_long {app=\"a\"} 1/2", "other  2/0"));
}

TEST_F(Partial, EntriesTooFarBehindAreTheOldest) {
  loki_.Script({Answer(400,
                       "entry with timestamp 2023-11-14 22:13:20 +0000 UTC ignored, reason: 'entry too far behind, entry "
                       "timestamp is: 2023-11-14T22:13:20Z, oldest acceptable timestamp is: 2023-11-14T22:13:22Z',\nuser "
                       "'fake', total ignored: 2 out of 4 for stream: {app=\"a\"}\n")});
  Send({Stream("a", {"1", "22", "333", "4444"}), Stream("b", {"x"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), 1u);
  EXPECT_THAT(Refusals(), ElementsAre("too_far_behind {app=\"a\"} 2/3"));
}

TEST_F(Partial, AStreamWithUnreadableLabelsIsFoundAndTheRestIsStored) {
  loki_.SetHandler([](const ReceivedRequest& request) {
    for (const PushedStream& stream : request.streams) {
      if (stream.labels.find("bad.") != std::string::npos) {
        return Answer(400, "couldn't parse labels: 1:5: parse error: unexpected character inside braces: '.'\n");
      }
    }
    return Answer(204, "", true);
  });
  std::vector<PushedStream> streams;
  for (int i = 0; i < 20; ++i) streams.push_back(Stream(std::to_string(i), {"x", "y"}));
  streams[13].labels = "{bad.name=\"x\"}";
  Send(streams);
  const BatchId next = Send({Stream("13", {"after"})});
  ASSERT_TRUE(Finish(0));  // without waiting
  EXPECT_THAT(Refusals(), ElementsAre("invalid_labels {bad.name=\"x\"} 2/2"));
  EXPECT_EQ(loki_.stored().size(), 20u);
  for (const auto& [labels, entries] : loki_.stored()) EXPECT_THAT(entries, SizeIs(labels == "{app=\"13\"}" ? 1 : 2));
  EXPECT_EQ(SettledIds().back(), next);
  EXPECT_LE(loki_.requests().size(), 12u);
}

TEST_F(Partial, ARequestThatIsTooLargeIsHalvedInOrder) {
  loki_.SetHandler([](const ReceivedRequest& request) {
    return request.Lines().size() > 3 ? Answer(413, "request body too large") : Answer(204, "", true);
  });
  Send({Stream("a", Numbered(10)), Stream("b", Numbered(3)), Stream("c", {"x"})});
  Send({Stream("a", {"last"})});
  ASSERT_TRUE(Finish(0));
  EXPECT_EQ(Joined(Lines("a")), Numbers(0, 10) + "last ");
  EXPECT_EQ(Joined(Lines("b")), Numbers(0, 3));
  EXPECT_EQ(Joined(Lines("c")), "x ");
  EXPECT_THAT(Refusals(), IsEmpty());
  EXPECT_THAT(SettledIds(), ElementsAre(1, 2));
}

TEST_F(Partial, AnEntryThatIsTooLargeAloneIsRefused) {
  loki_.SetHandler([](const ReceivedRequest& request) {
    for (const std::string& line : request.Lines()) {
      if (line.size() > 100) return Answer(500, "rpc error: trying to send message larger than max (5 vs. 4)");
    }
    return Answer(204, "", true);
  });
  Send({Stream("a", {"1", std::string(200, 'x'), "2"}), Stream("b", {"3"})});
  ASSERT_TRUE(Finish(0));
  EXPECT_THAT(Refusals(), ElementsAre("request_too_large {app=\"a\"} 1/200"));
  EXPECT_THAT(Lines("a"), ElementsAre("1", "2"));
  EXPECT_THAT(Lines("b"), ElementsAre("3"));
}

TEST_F(Partial, ALimitedStreamWaitsAloneAndInOrder) {
  bool limited = true;
  loki_.SetHandler([&](const ReceivedRequest& request) {
    const bool has = request.streams.back().labels == "{app=\"hot\"}";
    return limited && has ? Answer(429, StreamRateText("{app=\"hot\", service_name=\"hot\"}", 1, 1))
                          : Answer(204, "", true);
  });
  Send({Stream("a", {"1"}), Stream("hot", {"h1"})});
  Send({Stream("a", {"2"}), Stream("hot", {"h2"})});
  Send({Stream("hot", {"h3"})});
  const BatchId plain = Send({Stream("a", {"3"})});
  Crank();
  // The others go on, and no batch with the hot stream in it is settled.
  EXPECT_THAT(SettledIds(), ElementsAre(plain));
  EXPECT_THAT(Lines("a"), ElementsAre("1", "2", "3"));
  EXPECT_EQ(pusher_->Status()[0].held_streams, 1u);
  limited = false;
  ASSERT_TRUE(Finish());
  EXPECT_THAT(Lines("hot"), ElementsAre("h1", "h2", "h3"));
  EXPECT_THAT(SettledIds(), ElementsAre(4, 1, 2, 3));
  EXPECT_THAT(Refusals(), IsEmpty());
  EXPECT_EQ(pusher_->Status()[0].held_streams, 0u);
}

TEST_F(Partial, AfterALimitTheStreamIsSentApartForAWhile) {
  loki_.Script({Answer(429, StreamRateText("{app=\"hot\"}", 1, 1))});
  Send({Stream("a", {"1"}), Stream("hot", {"h1"})});
  ASSERT_TRUE(Finish());
  const size_t before = loki_.requests().size();
  Send({Stream("a", {"2"}), Stream("hot", {"h2"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), before + 2);
  Advance(10min);
  Send({Stream("a", {"3"}), Stream("hot", {"h3"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), before + 3);
  EXPECT_THAT(Lines("hot"), ElementsAre("h1", "h2", "h3"));
}

TEST_F(Partial, StreamsThatAreInDoubtAreSentAgainOneByOne) {
  // As Loki: with the limit reached, new streams are refused, but only the last stream of
  // a request decides about the answer.
  loki_.SetHandler([&](const ReceivedRequest& request) {
    ScriptedAnswer answer = Answer(204, "", true);
    for (const PushedStream& stream : request.streams) {
      const bool fresh = stream.labels == "{app=\"new1\"}" || stream.labels == "{app=\"new2\"}";
      if (!fresh) answer.store_only.push_back(stream.labels);
      answer.status = fresh ? 429 : 204;
      if (fresh) answer.body = StreamLimitText(stream.labels);
    }
    if (answer.store_only.empty()) answer.store = false;
    return answer;
  });
  Send({Stream("new1", {"n1"}), Stream("old", {"o"}), Stream("new2", {"n2"})});
  Crank();
  EXPECT_THAT(deliveries_, IsEmpty());  // n1 was never stored, although no answer named it
  EXPECT_EQ(pusher_->Status()[0].held_streams, 2u);
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(204, "", true); });
  ASSERT_TRUE(Finish());
  EXPECT_THAT(Lines("new1"), ElementsAre("n1"));
  EXPECT_THAT(Lines("new2"), ElementsAre("n2"));
}

TEST_F(Partial, NearALimitOnlyConfirmedStreamsGoTogether) {
  loki_.Script({Answer(429, StreamLimitText("{app=\"x\"}"))});
  Send({Stream("a", {"1"}), Stream("b", {"1"}), Stream("x", {"1"})});
  ASSERT_TRUE(Finish());
  const size_t before = loki_.requests().size();
  Send({Stream("a", {"2"}), Stream("c", {"2"}), Stream("b", {"2"})});
  ASSERT_TRUE(Finish());
  const auto requests = loki_.requests();
  ASSERT_EQ(requests.size(), before + 2);
  // a and b were confirmed one by one before; c goes beside them.
  const bool first = requests[before].streams.size() == 2;
  EXPECT_THAT(requests[before + (first ? 0 : 1)].streams, SizeIs(2));
  EXPECT_EQ(requests[before + (first ? 1 : 0)].streams.at(0).labels, "{app=\"c\"}");
}

// The list of those was kept while nothing got through, and taken for true an hour later: lines of
// streams that had to be made anew, and were not, counted as stored.
TEST_F(Partial, ConfirmationsDoNotOutliveTheCareNorAnAbsence) {
  const auto limited = [](const ReceivedRequest& request) {
    return request.streams.size() > 1 ? Answer(429, StreamLimitText("{app=\"x\"}")) : Answer(204, "", true);
  };
  struct {
    const char* name;
    ScriptedAnswer failure;
    int failures;
  } const cases[] = {{"after an absence", Answer(503), 1}, {"after an hour", Answer(500, "oops"), 25}};
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    pusher_.reset();
    Start({options_});
    // With a limit near, a and b are confirmed one by one.
    loki_.SetHandler(limited);
    Send({Stream("a", {"1"}), Stream("b", {"1"}), Stream("x", {"1"})});
    ASSERT_TRUE(Finish());
    const size_t stored = Lines("a").size();
    loki_.Script(std::vector<ScriptedAnswer>(static_cast<size_t>(one.failures), one.failure));
    Send({Stream("a", {"2"}), Stream("b", {"2"})});
    ASSERT_TRUE(Finish());
    EXPECT_EQ(Lines("a").size(), stored + 1);
    EXPECT_EQ(Lines("b").size(), stored + 1);
  }
}

TEST_F(Partial, ALimitThatNamesNoStreamIsSortedOutOneByOne) {
  loki_.Script({Answer(429, "Maximum active stream limit exceeded, reduce the number of active streams, user: 'fake'")});
  loki_.SetHandler([](const ReceivedRequest& request) {
    return request.streams.size() == 1 && request.streams[0].labels == "{app=\"b\"}" && request.Lines()[0] == "1"
               ? Answer(429, "Maximum active stream limit exceeded, reduce the number of active streams")
               : Answer(204, "", true);
  });
  Send({Stream("a", {"1"}), Stream("b", {"1"}), Stream("c", {"1"})});
  Crank();
  EXPECT_EQ(pusher_->Status()[0].held_streams, 1u);
  EXPECT_THAT(Lines("a"), ElementsAre("1"));
  EXPECT_THAT(Lines("c"), ElementsAre("1"));
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(204, "", true); });
  ASSERT_TRUE(Finish());
  EXPECT_THAT(Lines("b"), ElementsAre("1"));
}

TEST_F(Partial, DropRateLimitedBatchesDropsTheLimitedStreamOnly) {
  options_.drop_rate_limited_batches = true;
  loki_.Script({Answer(429, StreamRateText("{app=\"hot\"}", 2, 2))});
  Send({Stream("a", {"1"}), Stream("hot", {"h1", "h2"})});
  ASSERT_TRUE(Finish(0));
  EXPECT_THAT(Refusals(), ElementsAre("rate_limited {app=\"hot\"} 2/4"));
  EXPECT_THAT(Lines("a"), ElementsAre("1"));
}

TEST_F(Partial, ARequestLargerThanTheRatesBurstIsSplitInTime) {
  loki_.SetHandler([](const ReceivedRequest& request) {
    return request.Lines().size() > 2 ? Answer(429, TenantRateText()) : Answer(204, "", true);
  });
  Send({Stream("a", Numbered(8))});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(Joined(Lines("a")), Numbers(0, 8));
}

// As Loki with a sentence that we do not know; an empty request has one that we do.
ScriptedAnswer PoisonHandler(const ReceivedRequest& request) {
  if (request.streams.empty()) return Answer(422, "error at least one valid stream is required for ingestion\n");
  for (const std::string& line : request.Lines()) {
    if (line == "poison") return Answer(400, "we do not like this\n");
  }
  return Answer(204, "", true);
}

TEST_F(Partial, AnEntryThatIsRefusedForAnUnknownReasonIsFound) {
  loki_.SetHandler(PoisonHandler);
  std::vector<std::string> lines = Numbered(200);
  lines[0] = "poison";
  lines[150] = "poison";
  Send({Stream("b", {"x", "y"}), Stream("a", lines)});
  Send({Stream("a", {"after"})});
  ASSERT_TRUE(Finish(0));
  EXPECT_THAT(Refusals(), ElementsAre("refused {app=\"a\"} 2/12"));
  EXPECT_EQ(Joined(Lines("a")), Numbers(1, 150) + Numbers(151, 200) + "after ");
  EXPECT_THAT(Lines("b"), SizeIs(2));
}

TEST_F(Partial, APoisonousEntryAloneIsGivenUpAfterMoreLooks) {
  loki_.SetHandler(PoisonHandler);
  Send({Stream("a", {"poison"})});
  ASSERT_TRUE(Finish(0));
  EXPECT_EQ(loki_.requests().size(), 7u);  // itself four times, an empty request in between
  EXPECT_THAT(Refusals(), ElementsAre("refused {app=\"a\"} 1/6"));
}

TEST_F(Partial, WhereEvenAnEmptyRequestIsRefusedNothingIsGivenUp) {
  // That is not the lines' fault.
  loki_.SetHandler([](const ReceivedRequest&) { return Answer(400, "a proxy does not like you\n"); });
  Send({Stream("a", Numbered(100))});
  Send({Stream("b", Numbered(100))});
  Crank();
  for (int i = 0; i < 20; ++i) SkipWait();
  EXPECT_THAT(deliveries_, IsEmpty());
  EXPECT_EQ(loki_.requests().size(), 42u);  // the batch and an empty request, in turn
  loki_.SetHandler(PoisonHandler);
  ASSERT_TRUE(Finish());
  EXPECT_THAT(Refusals(), IsEmpty());
  EXPECT_EQ(Joined(Lines("a")), Numbers(0, 100));
  EXPECT_EQ(Joined(Lines("b")), Numbers(0, 100));
  EXPECT_EQ(loki_.requests().size(), 44u);  // whole: it was never taken apart
}

TEST_F(Partial, AnEntryThatIsTakenAtASecondLookIsNotGivenUp) {
  loki_.Script({Answer(400, "hm"), Answer(204)});
  Send({Stream("a", {"x"})});
  ASSERT_TRUE(Finish(0));
  EXPECT_THAT(Refusals(), IsEmpty());
  EXPECT_THAT(Lines("a"), ElementsAre("x"));
}

TEST_F(Partial, AnEmptyRequestWithoutAWholeAnswerIsNoProof) {
  loki_.SetHandler(PoisonHandler);
  loki_.Script({Answer(400, "hm"), Answer(500), Answer(400, "hm"), Broken(Wire::kMidBody)});
  Send({Stream("a", {"x", "y"})});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.requests().size(), 5u);
  EXPECT_THAT(Refusals(), IsEmpty());
}

TEST_F(Partial, StructuredMetadataSurvivesSplitting) {
  loki_.Script({Answer(413)});
  PushedStream stream = Stream("a", {"1", "2"});
  stream.entries[0].metadata = {{"trace", "x"}, {"b", std::string("\xff\0z", 3)}};
  stream.entries[1].time += 123;
  Send({stream});
  ASSERT_TRUE(Finish());
  EXPECT_EQ(loki_.stored().at("{app=\"a\"}"), stream.entries);
}

TEST_F(Partial, StopGivesBackWhatIsPartlyDone) {
  loki_.SetHandler([](const ReceivedRequest& request) {
    return request.streams.back().labels == "{app=\"hot\"}" ? Answer(429, StreamRateText("{app=\"hot\"}", 1, 1))
                                                           : Answer(204, "", true);
  });
  Send({Stream("a", {"1"}), Stream("hot", {"h1"})});
  Send({Stream("hot", {"h2"})});
  Crank();
  pusher_->Stop(now_ + 5s);
  Advance(5s);
  ASSERT_EQ(deliveries_.size(), 2u);
  for (const Delivery& delivery : deliveries_) {
    EXPECT_TRUE(delivery.cancelled);
    EXPECT_THAT(delivery.refused, IsEmpty());
  }
}

}  // namespace
}  // namespace agent::push
