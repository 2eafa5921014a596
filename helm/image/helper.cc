// SPDX-License-Identifier: Apache-2.0
// The second program of the image. The image has no shell; this is what the chart
// needs besides the agent, and no more:
//
//   sluice-helper prepare --dir=D --owner=UID:GID [--import=F --as=NAME]
//       Gives the state directory to the agent's user. With --import, copies Promtail's
//       positions into it, once: an existing file is never replaced.
//   sluice-helper get URL [--retry-for=SECONDS]
//       Asks by HTTP and succeeds if the answer is 2xx.
//   sluice-helper say TEXT...
//       Prints a line.
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Options = std::map<std::string, std::string, std::less<>>;

int Fail(const std::string& what, int error = 0) {
  std::fprintf(stderr, "sluice-helper: %s%s%s\n", what.c_str(), error != 0 ? ": " : "",
               error != 0 ? std::strerror(error) : "");
  return 1;
}

int Usage(const std::string& what) {
  Fail(what);
  std::fputs(
      "usage: sluice-helper prepare --dir=D --owner=UID:GID [--import=F --as=NAME]\n"
      "       sluice-helper get URL [--retry-for=SECONDS]\n"
      "       sluice-helper say TEXT...\n",
      stderr);
  return 2;
}

std::optional<unsigned> Number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// The owner is changed last: afterwards this process may have no more right to the file.
int GiveAway(int fd, const std::string& name, uid_t uid, gid_t gid, mode_t mode) {
  struct stat now {};
  if (::fstat(fd, &now) != 0) return Fail("cannot look at " + name, errno);
  if (now.st_uid == uid && now.st_gid == gid) return 0;
  if (now.st_uid == ::geteuid() && ::fchmod(fd, mode) != 0) return Fail("cannot change the mode of " + name, errno);
  if (::fchown(fd, uid, gid) != 0) return Fail("cannot change the owner of " + name, errno);
  std::printf("%s now belongs to %u:%u\n", name.c_str(), uid, gid);
  return 0;
}

int Import(int dir, const std::string& from, const std::string& name, uid_t uid, gid_t gid) {
  struct stat there {};
  if (::fstatat(dir, name.c_str(), &there, 0) == 0) {
    std::printf("%s is there already; %s is not imported\n", name.c_str(), from.c_str());
    return 0;
  }
  const File source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (source.get() < 0) {
    if (errno != ENOENT) return Fail("cannot open " + from, errno);
    std::printf("%s does not exist; there is nothing to import\n", from.c_str());
    return 0;
  }
  const std::string temporary = name + ".import";
  ::unlinkat(dir, temporary.c_str(), 0);
  const File target(::openat(dir, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (target.get() < 0) return Fail("cannot create " + temporary, errno);
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const ssize_t got = ::read(source.get(), buffer.data(), buffer.size());
    if (got < 0) return Fail("cannot read " + from, errno);
    if (got == 0) break;
    for (ssize_t done = 0; done < got;) {
      const ssize_t wrote = ::write(target.get(), buffer.data() + done, static_cast<size_t>(got - done));
      if (wrote < 0) return Fail("cannot write " + temporary, errno);
      done += wrote;
    }
  }
  if (::fsync(target.get()) != 0) return Fail("cannot save " + temporary, errno);
  if (const int code = GiveAway(target.get(), temporary, uid, gid, 0640); code != 0) return code;
  if (::renameat(dir, temporary.c_str(), dir, name.c_str()) != 0) return Fail("cannot rename " + temporary, errno);
  if (::fsync(dir) != 0) return Fail("cannot save the directory", errno);
  std::printf("imported %s as %s\n", from.c_str(), name.c_str());
  return 0;
}

int Prepare(const Options& options) {
  const auto dir_name = options.find("dir");
  const auto owner = options.find("owner");
  if (dir_name == options.end() || owner == options.end()) return Usage("prepare needs --dir and --owner");
  const std::string_view both = owner->second;
  const auto colon = both.find(':');
  const auto uid = Number(both.substr(0, colon));
  const auto gid = colon == std::string_view::npos ? std::nullopt : Number(both.substr(colon + 1));
  if (!uid || !gid) return Usage("--owner is UID:GID, not " + owner->second);
  const auto import = options.find("import");
  const auto as = options.find("as");
  if ((import == options.end()) != (as == options.end())) return Usage("--import and --as go together");
  if (as != options.end() && (as->second.empty() || as->second.find('/') != std::string::npos)) {
    return Usage("--as is a file name, not " + as->second);
  }
  const File dir(::open(dir_name->second.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0) return Fail("cannot open " + dir_name->second, errno);
  if (import != options.end()) {
    if (const int code = Import(dir.get(), import->second, as->second, *uid, *gid); code != 0) return code;
  }
  // Group-writable, so that root without any capability can come back.
  return GiveAway(dir.get(), dir_name->second, *uid, *gid, 0770);
}

struct Address {
  std::string host, port = "80", path = "/";
};

std::optional<Address> Parse(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  Address out;
  const auto slash = url.find('/');
  if (slash != std::string_view::npos) out.path = std::string(url.substr(slash));
  std::string_view authority = url.substr(0, slash);
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    out.port = std::string(authority.substr(colon + 1));
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) authority = authority.substr(1, authority.size() - 2);
  out.host = std::string(authority);
  if (out.host.empty() || !Number(out.port)) return std::nullopt;
  return out;
}

// The status of the answer, or an error text.
std::pair<int, std::string> Ask(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found); code != 0) {
    return {0, address.host + ": " + ::gai_strerror(code)};
  }
  std::string error = "no address";
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const File socket(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol));
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (socket.get() < 0 || ::connect(socket.get(), one->ai_addr, one->ai_addrlen) != 0) {
      error = std::strerror(errno);
      continue;
    }
    const std::string request =
        "GET " + address.path + " HTTP/1.1\r\nHost: " + address.host + "\r\nConnection: close\r\n\r\n";
    if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
      error = "the request could not be sent";
      continue;
    }
    std::string head;
    char buffer[512];
    while (head.size() < 12) {
      const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
      if (got <= 0) break;
      head.append(buffer, static_cast<size_t>(got));
    }
    const auto status = head.starts_with("HTTP/1.") && head.size() >= 12 ? Number(head.substr(9, 3)) : std::nullopt;
    if (!status) {
      error = "the answer is no HTTP";
      continue;
    }
    ::freeaddrinfo(found);
    return {static_cast<int>(*status), ""};
  }
  ::freeaddrinfo(found);
  return {0, error};
}

int Get(const std::string& url, const Options& options) {
  const auto address = Parse(url);
  if (!address) return Usage("not an address like http://host:port/path: " + url);
  unsigned retry_for = 0;
  if (const auto it = options.find("retry-for"); it != options.end()) {
    const auto seconds = Number(it->second);
    if (!seconds) return Usage("--retry-for wants seconds, not " + it->second);
    retry_for = *seconds;
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(retry_for);
  for (;;) {
    const auto [status, error] = Ask(*address);
    if (status >= 200 && status < 300) {
      std::printf("%s: %d\n", url.c_str(), status);
      return 0;
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Fail(url + ": " + (error.empty() ? "status " + std::to_string(status) : error));
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) return Usage("no command");
  if (words[0] == "say") {
    std::string line;
    for (size_t i = 1; i < words.size(); ++i) line += (i > 1 ? " " : "") + words[i];
    return std::puts(line.c_str()) < 0 || std::fflush(stdout) != 0 ? Fail("cannot write") : 0;
  }
  Options options;
  std::vector<std::string> rest;
  for (size_t i = 1; i < words.size(); ++i) {
    if (!words[i].starts_with("--")) {
      rest.push_back(words[i]);
      continue;
    }
    const auto equals = words[i].find('=');
    if (equals == std::string::npos) return Usage("options have the form --name=value: " + words[i]);
    const std::string name = words[i].substr(2, equals - 2);
    const bool known = words[0] == "prepare" ? name == "dir" || name == "owner" || name == "import" || name == "as"
                                             : name == "retry-for";
    if (!known) return Usage("unknown option --" + name);
    options[name] = words[i].substr(equals + 1);
  }
  if (words[0] == "prepare") return rest.empty() ? Prepare(options) : Usage("prepare takes options only");
  if (words[0] == "get") return rest.size() == 1 ? Get(rest[0], options) : Usage("get takes one address");
  return Usage("unknown command " + words[0]);
}
