// SPDX-License-Identifier: Apache-2.0
#include "bench/podgen/pod_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <vector>

#include "bench/common/json.h"
#include "bench/common/mark.h"

namespace bench {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void Die(const std::string& what, const std::string& path) {
  std::fprintf(stderr, "podgen: cannot %s %s: %s\n", what.c_str(), path.c_str(), std::strerror(errno));
  std::exit(1);
}

// X -> X.tmp -> X.gz, X removed: as the kubelet does it.
void Gzip(const fs::path& plain) {
  const std::string temporary = plain.string() + ".tmp";
  std::FILE* in = std::fopen(plain.c_str(), "rb");
  gzFile out = gzopen(temporary.c_str(), "wb");
  if (in == nullptr || out == nullptr) Die("compress", plain);
  std::vector<char> buffer(1 << 18);
  size_t got = 0;
  while ((got = std::fread(buffer.data(), 1, buffer.size(), in)) > 0) {
    gzwrite(out, buffer.data(), static_cast<unsigned>(got));
  }
  std::fclose(in);
  if (gzclose(out) != Z_OK) Die("compress", plain);
  fs::rename(temporary, plain.string() + ".gz");
  fs::remove(plain);
}

}  // namespace

PodFile::PodFile(const std::string& root, PodName name, uint64_t writer, uint64_t seed, PodFileOptions options)
    : name_(std::move(name)),
      directory_(root + "/" + name_.pod_namespace + "_" + name_.pod + "_" + name_.uid + "/" + name_.container),
      writer_(writer),
      options_(options),
      random_(seed * 1000003 + writer) {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) Die("make", directory_);
  path_ = directory_ + "/0.log";
}

PodFile::~PodFile() { Close(); }

void PodFile::Close() {
  Flush();
  close(fd_);
  fd_ = -1;
}

void PodFile::Open() {
  fd_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (fd_ < 0) Die("write", path_);
}

void PodFile::Append(const SamplePool& pool, int64_t nanos) {
  const bool to_stderr = static_cast<double>(random_() % 1024) < options_.stderr_share * 1024;
  size_t i = pool.RecordAt(random_());
  do {
    AppendLine(pool.at(i), to_stderr, nanos);
    ++nanos;  // one record's lines share a write, yet keep their order
    ++i;
  } while (i < pool.size() && !pool.at(i).starts_record);
  ++records_;
}

void PodFile::AppendLine(const Sample& sample, bool to_stderr, int64_t nanos) {
  line_ = sample.before;
  if (options_.marks) {
    line_ += sample.json ? ",\"mark\":\"" : " ";
    char mark[kMaxMarkSize];
    char* const end = WriteMark({writer_, lines_, options_.mark_times ? nanos : 0}, mark);
    line_.append(mark, static_cast<size_t>(end - mark));
    if (sample.json) line_.push_back('"');
  }
  line_ += sample.after;
  ++lines_;
  line_bytes_ += line_.size();
  Frame(line_, to_stderr, nanos);
}

// RFC3339Nano as Go prints it: without the zeros at the end of the fraction.
void PodFile::AppendTime(int64_t nanos) {
  const int64_t second = nanos / 1'000'000'000;
  if (second != second_) {
    const std::time_t time = second;
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::strftime(time_text_, sizeof time_text_, "%Y-%m-%dT%H:%M:%S.", &parts);
    second_ = second;
  }
  auto rest = static_cast<uint64_t>(nanos % 1'000'000'000);
  char* const fraction = time_text_ + 20;
  for (int i = 8; i >= 0; --i, rest /= 10) fraction[i] = static_cast<char>('0' + rest % 10);
  size_t size = 29;
  while (size > 20 && time_text_[size - 1] == '0') --size;
  if (size == 20) size = 19;  // no fraction, no point
  buffer_.append(time_text_, size).push_back('Z');
}

void PodFile::Frame(std::string_view line, bool to_stderr, int64_t nanos) {
  const char* const stream = to_stderr ? "stderr" : "stdout";
  if (options_.format == LogFormat::kPlain) {
    buffer_.append(line).push_back('\n');
    return;
  }
  if (options_.format == LogFormat::kDocker) {
    return FrameDocker(line, stream, nanos);
  }
  do {
    const bool partial = options_.partial_at != 0 && line.size() > options_.partial_at;
    const std::string_view piece = line.substr(0, partial ? options_.partial_at : line.size());
    AppendTime(nanos);
    buffer_.push_back(' ');
    buffer_.append(stream, 6);
    buffer_.append(partial ? " P " : " F ");
    buffer_.append(piece).push_back('\n');
    line.remove_prefix(piece.size());
  } while (!line.empty());
}

void PodFile::FrameDocker(std::string_view line, const char* stream, int64_t nanos) {
  buffer_ += "{\"log\":";
  AppendJsonString(&buffer_, line);
  buffer_.insert(buffer_.size() - 1, "\\n");
  buffer_ += std::string(",\"stream\":\"") + stream + "\",\"time\":\"";
  AppendTime(nanos);
  buffer_ += "\"}\n";
}

void PodFile::Flush() {
  if (fd_ < 0) Open();
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t put = write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) Die("write", path_);
    done += static_cast<size_t>(put);
  }
  file_bytes_ += done;
  live_bytes_ += done;
  buffer_.clear();
}

void PodFile::Sweep() const {
  std::vector<fs::path> rotated;
  const std::string live = fs::path(path_).filename().string() + ".";
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(live)) continue;
    const bool compressed_too = fs::exists(entry.path().string() + ".gz");
    if (file.ends_with(".tmp") || compressed_too) {
      fs::remove(entry.path());
    } else {
      rotated.push_back(entry.path());
    }
  }
  std::sort(rotated.begin(), rotated.end());  // their names are times
  const size_t kept = options_.keep > 2 ? options_.keep - 2 : 0;
  const size_t excess = rotated.size() > kept ? rotated.size() - kept : 0;
  for (size_t i = 0; i < rotated.size(); ++i) {
    if (i < excess) {
      fs::remove(rotated[i]);
    } else if (rotated[i].extension() != ".gz") {
      Gzip(rotated[i]);
    }
  }
}

bool PodFile::Rename() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, ".%Y%m%d-%H%M%S", &parts);
  const std::string archive = path_ + stamp;
  if (fs::exists(archive) || fs::exists(archive + ".gz")) return false;
  Sweep();
  fs::rename(path_, archive);
  ++rotations_;
  return true;
}

void PodFile::Reopen() {
  Close();
  live_bytes_ = 0;
  Flush();
}

void PodFile::Restart() {
  Close();
  path_ = directory_ + "/" + std::to_string(++restarts_) + ".log";
  live_bytes_ = 0;
  Flush();
}

}  // namespace bench
