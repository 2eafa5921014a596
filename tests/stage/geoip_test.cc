// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/mmdb_writer.h"
#include "tests/support/stage_harness.h"

namespace agent::test {
namespace {

using testing::HasSubstr;

std::string Name(std::string_view text) { return MmdbMap({{"en", MmdbText(text)}, {"de", MmdbText("anders")}}); }

std::string Oxford() {
  return MmdbMap({
      {"city", MmdbMap({{"names", Name("Oxford")}})},
      {"country", MmdbMap({{"iso_code", MmdbText("GB")}, {"names", Name("United Kingdom")}})},
      {"continent", MmdbMap({{"code", MmdbText("EU")}, {"names", Name("Europe")}})},
      {"location", MmdbMap({{"latitude", MmdbDouble(51.75)}, {"longitude", MmdbDouble(-0.00005)},
                            {"time_zone", MmdbText("Europe/London")}})},
      {"postal", MmdbMap({{"code", MmdbText("OX1")}})},
      {"subdivisions", MmdbArray({MmdbMap({{"iso_code", MmdbText("ENG")}, {"names", Name("England")}}),
                                  MmdbMap({{"iso_code", MmdbText("OXF")}, {"names", Name("Oxfordshire")}})})},
  });
}

class GeoipStage : public testing::Test {
 protected:
  void SetUp() override {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    path_ = std::filesystem::path(testing::TempDir()) / ("geoip_" + name + ".mmdb");
  }
  void TearDown() override { std::filesystem::remove(path_); }

  // A stage over a database of that type, its source being the whole line.
  std::unique_ptr<StageHarness> Make(const MmdbWriter& writer, const std::string& type) {
    std::ofstream(path_, std::ios::binary) << writer.File(type == "city" ? "GeoLite2-City" : "GeoLite2-ASN");
    auto run = std::make_unique<StageHarness>("- regex: {expression: '(?P<ip>.*)'}\n- geoip: {db: " + path_.string() +
                                              ", source: ip, db_type: " + type + "}\n");
    EXPECT_EQ(run->problems(), "");
    return run;
  }

  std::filesystem::path path_;
};

TEST_F(GeoipStage, SetsLabelsOfACity) {
  MmdbWriter writer;
  writer.Add("81.2.69.0", 24, Oxford());
  writer.Add("2001:218::", 32, MmdbMap({{"country", MmdbMap({{"names", Name("Japan")}})},
                                        {"location", MmdbMap({{"latitude", MmdbDouble(0)}})}}));
  auto run = Make(writer, "city");
  const std::string oxford =
      "{geoip_city_name=\"Oxford\", geoip_continent_code=\"EU\", geoip_continent_name=\"Europe\", "
      "geoip_country_name=\"United Kingdom\", geoip_location_latitude=\"51.75\", geoip_location_longitude=\"-5e-05\", "
      "geoip_postal_code=\"OX1\", geoip_subdivision_code=\"OXF\", geoip_subdivision_name=\"Oxfordshire\", "
      "geoip_timezone=\"Europe/London\"}";
  EXPECT_EQ(run->Push({"81.2.69.7", "81.2.69.7", "::ffff:81.2.69.8", "2001:218::1"}),
            "1.000000000 " + oxford + " \"81.2.69.7\"\n1.000000000 " + oxford + " \"81.2.69.7\"\n1.000000000 " + oxford +
                " \"::ffff:81.2.69.8\"\n1.000000000 {geoip_country_name=\"Japan\"} \"2001:218::1\"\n");
}

TEST_F(GeoipStage, SetsLabelsOfANetwork) {
  MmdbWriter writer;
  writer.Add("1.128.0.0", 11, MmdbMap({{"autonomous_system_number", MmdbUint32(1221)},
                                       {"autonomous_system_organization", MmdbText("Telstra Pty Ltd")}}));
  auto run = Make(writer, "asn");
  EXPECT_EQ(run->Push({"1.130.1.1"}),
            "1.000000000 {geoip_autonomous_system_number=\"1221\", "
            "geoip_autonomous_system_organization=\"Telstra Pty Ltd\"} \"1.130.1.1\"\n");
}

TEST_F(GeoipStage, PassesWhatItDoesNotKnowAndCountsWhatIsNoAddress) {
  MmdbWriter writer;
  writer.Add("81.2.69.0", 24, Oxford());
  auto run = Make(writer, "city");
  EXPECT_EQ(run->Push({"10.0.0.1", "not an address", "", "01.2.3.4", "81.2.69.7%eth0"}),
            "1.000000000 {} \"10.0.0.1\"\n1.000000000 {} \"not an address\"\n1.000000000 {} \"\"\n"
            "1.000000000 {} \"01.2.3.4\"\n1.000000000 {} \"81.2.69.7%eth0\"\n");
  EXPECT_THAT(run->metrics().Text(), HasSubstr("sluice_stage_failures_total{stage=\"geoip\"} 4"));
}

TEST_F(GeoipStage, SurvivesADatabaseWithBrokenData) {
  MmdbWriter writer;
  writer.Add("10.0.0.0", 8, "\xE5" "\x42" "x\xFF\xFF\xFF");
  writer.Add("11.0.0.0", 8, MmdbText("not a map"));
  auto run = Make(writer, "city");
  EXPECT_EQ(run->Push({"10.0.0.1", "11.0.0.1"}), "1.000000000 {} \"10.0.0.1\"\n1.000000000 {} \"11.0.0.1\"\n");
}

TEST_F(GeoipStage, RefusesBadOptionsAndFiles) {
  std::ofstream(path_) << "this is no database";
  const std::string db = path_.string();
  for (const std::string& options :
       {std::string("{}"), std::string("{db: /nonexistent/x.mmdb, source: ip, db_type: city}"), "{db: " + db + ", source: ip}",
        "{db: " + db + ", source: '', db_type: city}", "{db: " + db + ", source: ip, db_type: city}"}) {
    EXPECT_THAT(PipelineProblems("- geoip: " + options + "\n"), HasSubstr("error: pipeline_stages[0].geoip")) << options;
  }
}

}  // namespace
}  // namespace agent::test
