// SPDX-License-Identifier: Apache-2.0
#include "bench/podgen/samples.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <random>

namespace bench {
namespace {

constexpr size_t kPoolSize = 16384;

// The standard's distributions differ between libraries; this does not.
class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  uint64_t Below(uint64_t limit) { return engine_() % limit; }
  template <size_t N>
  const char* OneOf(const std::array<const char*, N>& words) {
    return words[Below(N)];
  }
  std::string Hex(size_t digits) {
    std::string text;
    while (text.size() < digits) text.push_back("0123456789abcdef"[Below(16)]);
    return text;
  }

 private:
  std::mt19937_64 engine_;
};

[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...) {
  char text[2048];
  va_list args;
  va_start(args, format);
  const int size = std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return {text, static_cast<size_t>(size)};
}

constexpr std::array kNouns = {"order",   "customer", "invoice", "basket",  "session", "shipment",
                               "payment", "account",  "coupon",  "product", "warehouse", "refund"};
constexpr std::array kVerbs = {"accepted", "created", "updated", "rejected", "queued",
                               "reserved", "expired", "loaded",  "stored",   "sent"};
constexpr std::array kClasses = {"com.example.orders.OrderService",     "com.example.payment.CardGateway",
                                 "com.example.basket.BasketController", "com.example.stock.StockRepository",
                                 "com.example.mail.MailQueue",          "com.example.auth.TokenFilter",
                                 "org.springframework.web.servlet.DispatcherServlet",
                                 "com.zaxxer.hikari.pool.HikariPool"};
constexpr std::array kPaths = {"/api/v1/orders", "/api/v1/users",  "/healthz",      "/metrics",   "/static/app.js",
                               "/api/v2/basket", "/login",         "/api/v1/search", "/index.html", "/favicon.ico"};
constexpr std::array kAgents = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "kube-probe/1.30", "curl/8.5.0", "Go-http-client/2.0", "python-requests/2.32.3"};
constexpr std::array kFiles = {"controller.go", "reflector.go", "kubelet.go", "leaderelection.go",
                               "proxier.go",    "scheduler.go", "event.go",   "pod_workers.go"};
constexpr std::array kLevels = {"info", "info", "info", "info", "info", "debug", "debug", "warn", "error"};

std::string Nginx(Dice& dice) {
  static constexpr std::array<int, 6> kCodes = {200, 200, 200, 304, 404, 500};
  const char* const path = dice.OneOf(kPaths);
  return Format("10.%d.%d.%d - - [21/Nov/2025:%02d:%02d:%02d +0000] \"%s %s/%d?page=%d HTTP/1.1\" %d %d \"-\" \"%s\" 0.%03d",
                static_cast<int>(dice.Below(4)), static_cast<int>(dice.Below(256)),
                static_cast<int>(dice.Below(256)), static_cast<int>(dice.Below(24)),
                static_cast<int>(dice.Below(60)), static_cast<int>(dice.Below(60)),
                dice.Below(5) == 0 ? "POST" : "GET", path, static_cast<int>(dice.Below(100000)),
                static_cast<int>(dice.Below(40)), kCodes[dice.Below(kCodes.size())],
                static_cast<int>(dice.Below(60000)), dice.OneOf(kAgents), static_cast<int>(dice.Below(1000)));
}

std::string AppHead(Dice& dice, const char* level) {
  return Format("2025-11-21 %02d:%02d:%02d,%03d %-5s [http-nio-8080-exec-%d] %s - ",
                static_cast<int>(dice.Below(24)), static_cast<int>(dice.Below(60)),
                static_cast<int>(dice.Below(60)), static_cast<int>(dice.Below(1000)), level,
                static_cast<int>(dice.Below(64)), dice.OneOf(kClasses));
}

std::string App(Dice& dice) {
  return AppHead(dice, dice.Below(8) == 0 ? "WARN" : "INFO") +
         Format("%s %d %s for %s %d in %d ms", dice.OneOf(kNouns), static_cast<int>(dice.Below(1000000)),
                dice.OneOf(kVerbs), dice.OneOf(kNouns), static_cast<int>(dice.Below(1000000)),
                static_cast<int>(dice.Below(900)));
}

std::string Klog(Dice& dice) {
  return Format("%c1121 %02d:%02d:%02d.%06d %7d %s:%d] \"%s %s\" pod=\"%s-%s-%s\" attempt=%d",
                "IIIIIIWE"[dice.Below(8)], static_cast<int>(dice.Below(24)), static_cast<int>(dice.Below(60)),
                static_cast<int>(dice.Below(60)), static_cast<int>(dice.Below(1000000)),
                static_cast<int>(dice.Below(8)) + 1, dice.OneOf(kFiles), static_cast<int>(dice.Below(2000)),
                dice.OneOf(kNouns), dice.OneOf(kVerbs), dice.OneOf(kNouns), dice.Hex(9).c_str(),
                dice.Hex(5).c_str(), static_cast<int>(dice.Below(9)));
}

std::string Ssh(Dice& dice) {
  return Format("Nov 21 %02d:%02d:%02d node-%d sshd[%d]: Failed password for invalid user %s from 173.%d.%d.%d port %d ssh2",
                static_cast<int>(dice.Below(24)), static_cast<int>(dice.Below(60)),
                static_cast<int>(dice.Below(60)), static_cast<int>(dice.Below(20)),
                static_cast<int>(dice.Below(32768)), dice.OneOf(kNouns), static_cast<int>(dice.Below(256)),
                static_cast<int>(dice.Below(256)), static_cast<int>(dice.Below(256)),
                static_cast<int>(dice.Below(64000)));
}

Sample JsonSample(Dice& dice) {
  Sample sample;
  sample.json = true;
  sample.before = Format(
      "{\"time\":\"2025-11-21T%02d:%02d:%02d.%03dZ\",\"level\":\"%s\",\"logger\":\"%s\",\"trace_id\":\"%s\","
      "\"span_id\":\"%s\",\"msg\":\"%s %d %s\",\"status\":%d,\"duration_ms\":%d.%d,\"user\":{\"id\":%d,\"plan\":\"%s\"}",
      static_cast<int>(dice.Below(24)), static_cast<int>(dice.Below(60)), static_cast<int>(dice.Below(60)),
      static_cast<int>(dice.Below(1000)), dice.OneOf(kLevels), dice.OneOf(kClasses), dice.Hex(32).c_str(),
      dice.Hex(16).c_str(), dice.OneOf(kNouns), static_cast<int>(dice.Below(1000000)), dice.OneOf(kVerbs),
      dice.Below(20) == 0 ? 500 : 200, static_cast<int>(dice.Below(400)), static_cast<int>(dice.Below(10)),
      static_cast<int>(dice.Below(100000)), dice.Below(3) == 0 ? "pro" : "free");
  sample.after = "}";
  return sample;
}

// Three records in four are one line; the rest bring a trace, as a noisy service does.
void AddJava(Dice& dice, std::vector<Sample>* samples) {
  if (dice.Below(4) != 0) {
    samples->push_back({App(dice), "", false, true});
    return;
  }
  samples->push_back({AppHead(dice, "ERROR") + "request failed: java.lang.IllegalStateException: " +
                          dice.OneOf(kNouns) + " is " + dice.OneOf(kVerbs),
                      "", false, true});
  const auto frames = [&](uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const std::string type = dice.OneOf(kClasses);
      samples->push_back({Format("\tat %s.%s(%s.java:%d)", type.c_str(), dice.OneOf(kVerbs),
                                 type.substr(type.rfind('.') + 1).c_str(), static_cast<int>(dice.Below(900))),
                          "", false, false});
    }
  };
  frames(6 + dice.Below(30));
  if (dice.Below(2) == 0) {
    samples->push_back({Format("Caused by: java.io.IOException: %s timed out", dice.OneOf(kNouns)), "", false, false});
    frames(3 + dice.Below(10));
    samples->push_back({Format("\t... %d more", static_cast<int>(dice.Below(40))), "", false, false});
  }
}

std::string Fixed(Dice& dice, uint64_t size) {
  std::string text;
  while (text.size() < size) text += App(dice) + "; ";
  text.resize(size);
  return text;
}

}  // namespace

SamplePool SamplePool::Make(std::string_view kind, uint64_t seed, uint64_t line_size,
                            const std::vector<std::string>& lines) {
  SamplePool pool;
  Dice dice(seed);
  std::vector<Sample>& out = pool.samples_;
  // Long lines fill memory sooner than they repeat.
  const size_t count = kind == "fixed" ? std::clamp<size_t>((4u << 20) / (line_size + 1), 64, kPoolSize)
                       : kind == "long" ? 64 : kPoolSize;
  for (const std::string& line : lines) {
    if (kind == "file") out.push_back({line, "", line.starts_with('{') && line.ends_with('}'), true});
    if (kind == "file" && out.back().json) {
      out.back().before.pop_back();
      out.back().after = "}";
    }
  }
  while (kind != "file" && out.size() < count) {
    if (kind == "nginx") out.push_back({Nginx(dice), "", false, true});
    else if (kind == "app") out.push_back({App(dice), "", false, true});
    else if (kind == "klog") out.push_back({Klog(dice), "", false, true});
    else if (kind == "ssh") out.push_back({Ssh(dice), "", false, true});
    else if (kind == "json") out.push_back(JsonSample(dice));
    else if (kind == "java") AddJava(dice, &out);
    else if (kind == "long") out.push_back({Fixed(dice, 20000 + dice.Below(60000)), "", false, true});
    else if (kind == "fixed") out.push_back({Fixed(dice, line_size), "", false, true});
    else break;
  }
  return pool;
}

size_t SamplePool::RecordAt(size_t i) const {
  i %= samples_.size();
  while (!samples_[i].starts_record) i = i + 1 == samples_.size() ? 0 : i + 1;
  return i;
}

}  // namespace bench
