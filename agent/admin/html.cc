// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/internal/html.h"

#include <map>

namespace agent::admin::internal {
namespace {

constexpr size_t kMostDropped = 100;  // of one job, as Promtail shows them

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string Labels(const LabelMap& labels) {
  std::string out;
  for (const auto& [name, value] : labels) out += "<code>" + Escape(name) + "=\"" + Escape(value) + "\"</code> ";
  return out;
}

std::string Page(const std::string& title, const std::string& body) {
  return "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
         "<link rel=\"icon\" href=\"data:,\"><title>" + title + "</title>"
         "<style>:root{color-scheme:light dark}body{font:15px/1.4 system-ui,sans-serif;margin:1rem}"
         "table{border-collapse:collapse;width:100%}th,td{border:1px solid #8886;padding:.3rem .5rem;text-align:left;"
         "vertical-align:top;overflow-wrap:anywhere}code{margin-right:.4rem}</style>"
         "<h1>" + title + "</h1><p><a href=\"./\">The live page</a> <a href=\"targets\">Targets</a> "
         "<a href=\"service-discovery\">Service discovery</a> <a href=\"config\">Configuration</a></p>" + body + "</html>\n";
}

}  // namespace

std::string TargetsHtml(const std::vector<TargetView>& targets) {
  struct Job {
    size_t ready = 0;
    size_t all = 0;
    std::string rows;
  };
  std::map<std::string, Job> jobs;
  for (const TargetView& target : targets) {
    Job& job = jobs[target.job];
    ++job.all;
    if (target.ready) ++job.ready;
    job.rows += "<tr><td>" + Escape(target.type) + "<td>" + (target.ready ? "true" : "false") + "<td title=\"";
    for (const auto& [name, value] : target.discovered) job.rows += Escape(name) + "=" + Escape(value) + "\n";
    job.rows += "\">" + Labels(target.labels) + "<td>" + Escape(target.details);
  }
  std::string body;
  for (const auto& [name, job] : jobs) {
    body += "<h2>" + Escape(name) + " (" + std::to_string(job.ready) + "/" + std::to_string(job.all) + " ready)</h2>"
            "<table><tr><th>Type<th>Ready<th>Labels<th>Details" + job.rows + "</table>";
  }
  return Page("Targets", body.empty() ? "<p>There are no targets.</p>" : body);
}

std::string DiscoveryHtml(const std::vector<DiscoveryView>& targets) {
  struct Job {
    size_t kept = 0;
    size_t dropped = 0;
    std::string rows;
  };
  std::map<std::string, Job> jobs;
  for (const DiscoveryView& target : targets) {
    Job& job = jobs[target.job];
    const bool kept = target.drop_reason.empty();
    if (kept) ++job.kept;
    if (!kept && job.dropped++ >= kMostDropped) continue;
    job.rows += "<tr><td>" + Labels(target.discovered) + "<td>" +
                (kept ? Labels(target.labels) : "Dropped: " + Escape(target.drop_reason));
  }
  std::string body;
  for (const auto& [name, job] : jobs) {
    body += "<h2>" + Escape(name) + " (" + std::to_string(job.kept) + "/" + std::to_string(job.kept + job.dropped) +
            " active)</h2><table><tr><th>Discovered labels<th>Labels" + job.rows + "</table>";
  }
  return Page("Service discovery", body.empty() ? "<p>Nothing has been discovered.</p>" : body);
}

}  // namespace agent::admin::internal
