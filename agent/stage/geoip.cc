// SPDX-License-Identifier: Apache-2.0
// `geoip`: looks an extracted IP address up in a MaxMind database and sets labels from
// what is known about it: of a city database the names (English) and codes of place,
// country and continent, of an ASN database the number and its organization.
//
//   geoip: {db: /etc/GeoLite2-City.mmdb, source: ip, db_type: city}
//
// The database is mapped into memory when the pipeline is built and shared by lanes.
// An address that is none, or that the database cannot serve, is counted; the record
// goes on. Cost: a lookup for an address that was not among the last ones.
// Source: https://maxmind.github.io/MaxMind-DB/
#include <arpa/inet.h>
#include <maxminddb.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "agent/stage/fields.h"
#include "agent/stage/internal/label_cache.h"
#include "agent/stage/internal/options.h"
#include "agent/stage/per_record.h"
#include "agent/text/utf8.h"

namespace agent::stage {
namespace {

class Database {
 public:
  Database() = default;
  ~Database() {
    if (open_) MMDB_close(&mmdb_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Empty, or what is wrong with the file.
  std::string Open(const std::string& path) {
    const int status = MMDB_open(path.c_str(), MMDB_MODE_MMAP, &mmdb_);
    open_ = status == MMDB_SUCCESS;
    return open_ ? std::string() : MMDB_strerror(status);
  }
  // False: no lookup was possible. `found` says whether the address is known.
  bool Lookup(const sockaddr* address, MMDB_entry_s& entry, bool& found) const {
    int status = MMDB_SUCCESS;
    const MMDB_lookup_result_s result = MMDB_lookup_sockaddr(&mmdb_, address, &status);
    entry = result.entry;
    found = result.found_entry;
    return status == MMDB_SUCCESS;
  }

 private:
  MMDB_s mmdb_{};
  bool open_ = false;
};

using Path = std::array<const char*, 5>;  // keys, then null

std::optional<MMDB_entry_data_s> Get(MMDB_entry_s entry, const Path& path, uint32_t type) {
  MMDB_entry_data_s data;
  if (MMDB_aget_value(&entry, &data, path.data()) != MMDB_SUCCESS || !data.has_data || data.type != type) {
    return std::nullopt;
  }
  return data;
}

std::string_view GetText(MMDB_entry_s entry, const Path& path) {
  const auto data = Get(entry, path, MMDB_DATA_TYPE_UTF8_STRING);
  return data ? std::string_view(data->utf8_string, data->data_size) : std::string_view();
}

struct TextLabel {
  const char* label;
  Path path;
};

constexpr TextLabel kCityLabels[] = {
    {"geoip_city_name", {"city", "names", "en"}},
    {"geoip_country_name", {"country", "names", "en"}},
    {"geoip_continent_name", {"continent", "names", "en"}},
    {"geoip_continent_code", {"continent", "code"}},
    {"geoip_postal_code", {"postal", "code"}},
    {"geoip_timezone", {"location", "time_zone"}},
    {"geoip_subdivision_name", {"subdivisions", "-1", "names", "en"}},  // the last is the most specific
    {"geoip_subdivision_code", {"subdivisions", "-1", "iso_code"}},
};

struct GeoipPlan;

class GeoipStage : public PerRecordStage<GeoipStage> {
 public:
  explicit GeoipStage(const GeoipPlan& plan) : plan_(plan) {}
  bool One(Record& record, StageContext& context);
  void ForgetLabels() override { cache_.Clear(); }

 private:
  const LabelSet* Labelled(const LabelSet* labels, std::string_view ip, LabelInterner& interner) const;

  const GeoipPlan& plan_;
  LabelCache cache_;
};

enum class DbType { kCity, kAsn, kUnknown };

struct GeoipPlan : SimplePlan<GeoipStage, GeoipPlan> {
  explicit GeoipPlan(const SymbolTable& symbols) : fields(symbols) {}
  FieldAccess fields;
  Database database;
  DbType type = DbType::kUnknown;
  std::optional<Symbol> source;
  metrics::Counter* failures = nullptr;
};

// As Go prints a coordinate: an exponent only below 0.0001.
std::string_view CoordinateText(double value, std::span<char> out) {
  const bool tiny = value != 0 && std::abs(value) < 1e-4;
  const auto format = tiny ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(out.data(), out.data() + out.size(), value, format).ptr;
  return {out.data(), static_cast<size_t>(end - out.data())};
}

const LabelSet* With(LabelInterner& interner, const LabelSet* labels, std::string_view name, std::string_view value) {
  return value.empty() || !text::IsValidUtf8(value) ? labels : interner.With(labels, name, value);
}

const LabelSet* CityLabels(LabelInterner& interner, const LabelSet* labels, MMDB_entry_s entry) {
  for (const TextLabel& item : kCityLabels) labels = With(interner, labels, item.label, GetText(entry, item.path));
  const auto latitude = Get(entry, {"location", "latitude"}, MMDB_DATA_TYPE_DOUBLE);
  const auto longitude = Get(entry, {"location", "longitude"}, MMDB_DATA_TYPE_DOUBLE);
  const double north = latitude ? latitude->double_value : 0;
  const double east = longitude ? longitude->double_value : 0;
  if (north == 0 && east == 0) return labels;
  std::array<char, 400> text{};
  labels = With(interner, labels, "geoip_location_latitude", CoordinateText(north, text));
  return With(interner, labels, "geoip_location_longitude", CoordinateText(east, text));
}

const LabelSet* AsnLabels(LabelInterner& interner, const LabelSet* labels, MMDB_entry_s entry) {
  const auto number = Get(entry, {"autonomous_system_number"}, MMDB_DATA_TYPE_UINT32);
  if (number && number->uint32 != 0) {
    labels = With(interner, labels, "geoip_autonomous_system_number", std::to_string(number->uint32));
  }
  return With(interner, labels, "geoip_autonomous_system_organization",
              GetText(entry, {"autonomous_system_organization"}));
}

// The address in a text; an IPv4 address in IPv6 clothes is an IPv4 address.
bool ParseAddress(std::string_view text, sockaddr_storage& out) {
  std::array<char, INET6_ADDRSTRLEN + 1> ip{};
  if (text.empty() || text.size() >= ip.size()) return false;
  std::memcpy(ip.data(), text.data(), text.size());
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  if (inet_pton(AF_INET, ip.data(), &v4.sin_addr) != 1) {
    if (inet_pton(AF_INET6, ip.data(), &v6.sin6_addr) != 1) return false;
    if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      std::memcpy(&out, &v6, sizeof v6);
      return true;
    }
    std::memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, 4);
  }
  std::memcpy(&out, &v4, sizeof v4);
  return true;
}

const LabelSet* GeoipStage::Labelled(const LabelSet* labels, std::string_view ip, LabelInterner& interner) const {
  sockaddr_storage address{};
  MMDB_entry_s entry{};
  bool found = false;
  const bool ok = plan_.type != DbType::kUnknown && ParseAddress(ip, address) &&
                  plan_.database.Lookup(reinterpret_cast<const sockaddr*>(&address), entry, found);
  if (!ok) plan_.failures->Add(1);
  if (!ok || !found) return labels;
  return plan_.type == DbType::kCity ? CityLabels(interner, labels, entry) : AsnLabels(interner, labels, entry);
}

bool GeoipStage::One(Record& record, StageContext& context) {
  std::string_view ip;
  if (plan_.source && !ToText(plan_.fields.Get(record, *plan_.source), context.arena, ip)) return true;
  const std::array<std::string_view, 1> key{ip};
  record.labels = cache_.Get(record.labels, key, [&] { return Labelled(record.labels, ip, context.labels); });
  return true;
}

std::unique_ptr<StagePlan> BuildGeoip(const config::Node& options, BuildContext& context) {
  config::MapReader reader(options, context.path, context.diagnostics, config::Mode::kStrictStage);
  auto plan = std::make_unique<GeoipPlan>(context.symbols);
  std::string db, type;
  reader.String("db", db);
  reader.Require("db", !db.empty());
  ReadSource(reader, context, plan->source);
  if (!plan->source) reader.Warning("source", "without a source there is no address to look up, and no label is set");
  reader.String("db_type", type);
  reader.Require("db_type", !type.empty());
  plan->type = type == "city" ? DbType::kCity : type == "asn" ? DbType::kAsn : DbType::kUnknown;
  if (!type.empty() && plan->type == DbType::kUnknown) {
    reader.Warning("db_type", "\"" + type + "\" is not a type of database, so no label is set; write city or asn");
  }
  reader.Finish();
  if (!db.empty()) {
    const std::string problem = plan->database.Open(db);
    if (!problem.empty()) reader.Error("db", "cannot use the database " + db + ": " + problem);
  }
  plan->failures = context.FailureCounter("geoip");
  return plan;
}

}  // namespace

const StageSpec kStage_geoip{"geoip", "", BuildGeoip};

}  // namespace agent::stage
