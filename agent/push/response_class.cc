// SPDX-License-Identifier: Apache-2.0
#include "agent/push/internal/response_class.h"

#include <array>

namespace agent::push {
namespace {

constexpr int kIngestionBlocked = 260;  // Loki's default for block_ingestion_status_code

Verdict OfRefusal(int status, const LokiError& error) {
  if (error.blocked) return Verdict::kRetry;  // until the operator lifts it
  if (!error.limited.empty()) return Verdict::kStreamLimited;
  if (error.tenant_rate || status == 429) return Verdict::kRateLimited;
  if (status == 413 || error.too_large) return Verdict::kTooLarge;
  if (status == 408 || status == 425) return Verdict::kRetry;
  if (status == 400 && !error.refused.empty()) return Verdict::kPartly;
  if (status == 400 && error.bad_labels) return Verdict::kBadLabels;
  if (status == 400 || status == 422) return Verdict::kUnknownRefusal;
  return Verdict::kMisconfigured;
}

}  // namespace

Classified Classify(int status, std::string_view body) {
  Classified out;
  if (status / 100 == 2) {
    out.verdict = status == kIngestionBlocked ? Verdict::kBlocked : Verdict::kStored;
    if (out.verdict == Verdict::kBlocked) out.error = ParseLokiError(body);
    return out;
  }
  if (status < 0) return out;
  out.error = ParseLokiError(body);
  if (status >= 500) {
    // A message that is too large for gRPC inside Loki comes as a 500, for ever.
    out.verdict = out.error.too_large ? Verdict::kTooLarge : Verdict::kRetry;
    return out;
  }
  out.verdict = OfRefusal(status, out.error);
  return out;
}

const char* Name(Verdict verdict) {
  static constexpr std::array<const char*, 10> kNames = {
      "stored",     "blocked",   "partly",          "retry",        "rate_limited", "stream_limited",
      "bad_labels", "too_large", "unknown_refusal", "misconfigured"};
  return kNames[static_cast<size_t>(verdict)];
}

}  // namespace agent::push
