// SPDX-License-Identifier: Apache-2.0
#include "agent/app/internal/lane_options.h"

namespace agent::app {

std::vector<batch::BatcherOptions> ClientBatchers(const Settings& settings) {
  std::vector<batch::BatcherOptions> out;
  for (const push::ClientOptions& client : settings.clients) {
    batch::BatcherOptions options;
    options.client = static_cast<uint32_t>(out.size());
    options.tenant = client.tenant_id;
    options.external_labels = client.external_labels;
    options.batch_size = client.batch_size;
    options.batch_wait = client.batch_wait;
    options.max_line_size = settings.limits.max_line_size;
    options.max_line_size_truncate = settings.limits.max_line_size_truncate;
    options.max_streams = settings.limits.max_streams;
    options.shards = client.parallel;
    out.push_back(std::move(options));
  }
  return out;
}

}  // namespace agent::app
