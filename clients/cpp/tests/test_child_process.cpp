#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "maskbus/shm/process.hpp"

#if !defined(_WIN32)
#include <csignal>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using maskbus::shm::Process;
using namespace std::chrono_literals;

TEST_CASE("a command line for Windows is split into the same words again") {
    using maskbus::shm::detail::windows_command_line;
    CHECK(windows_command_line({"maskbus", "child"}) == "maskbus child");
    CHECK(windows_command_line({"C:\\Program Files\\x.exe", ""}) == "\"C:\\Program Files\\x.exe\" \"\"");
    CHECK(windows_command_line({"a\\b", "c\\"}) == "a\\b c\\");
    CHECK(windows_command_line({"a b\\"}) == "\"a b\\\\\"");
    CHECK(windows_command_line({"say \"hi\""}) == "\"say \\\"hi\\\"\"");
    CHECK(windows_command_line({"a\\\"b"}) == "\"a\\\\\\\"b\"");
}

#if !defined(_WIN32)

namespace {

Process::TimePoint in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

Process shell(const std::string& script) {
    return Process::start({"sh", "-c", script}).value_or_throw();
}

bool exists(std::int64_t pid) {
    return kill(static_cast<pid_t>(pid), 0) == 0;
}

}  // namespace

TEST_CASE("lines come, and the end") {
    Process process = shell("echo one; echo two; exit 3");
    CHECK(process.read_line(in(20s)).value_or_throw() == "one");
    CHECK(process.read_line(in(20s)).value_or_throw() == "two");
    const auto end = process.read_line(in(20s));
    REQUIRE_FALSE(end);
    CHECK(end.error().code == "child_died");
    CHECK(process.has_ended());
    CHECK(process.ending() == "exited with code 3");
    CHECK_FALSE(exists(process.pid()));  // no zombie either
}

TEST_CASE("an end by a signal") {
    Process process = shell("kill -9 $$");
    CHECK_FALSE(process.read_line(in(20s)));
    CHECK(process.ending() == "was ended by signal 9");
}

TEST_CASE("silence does not hang") {
    Process process = shell("printf half; exec sleep 600");
    const auto begin = std::chrono::steady_clock::now();
    const auto line = process.read_line(in(100ms));
    REQUIRE_FALSE(line);
    CHECK(line.error().code == "child_died");
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
    CHECK_FALSE(process.has_ended());
    process.end(0ms);
    CHECK(process.ending() == "was ended by signal 9");
}

TEST_CASE("a line without an end is none") {
    Process process = shell("head -c 70000 /dev/zero; exec sleep 600");
    CHECK_FALSE(process.read_line(in(20s)));
    process.end(0ms);
}

TEST_CASE("the end of its input ends what reads it") {
    Process process = shell("exec cat");
    CHECK_FALSE(process.has_ended());
    process.end(20s);
    CHECK(process.ending() == "exited with code 0");
    process.end(20s);
}

TEST_CASE("what does not want to end is ended, with the object") {
    std::int64_t pid = 0;
    {
        Process process = shell("trap '' TERM HUP; echo there; exec sleep 600");
        CHECK(process.read_line(in(20s)));
        pid = process.pid();
        CHECK(exists(pid));
        process.end(50ms);
    }
    CHECK_FALSE(exists(pid));
}

TEST_CASE("it inherits no files, no blocked signals, and is not in our group") {
    const int file = open("/dev/null", O_RDONLY);  // one that others forgot to keep from being inherited
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    Process other = shell("exec cat");
    Process process = shell("kill -TERM $$; echo alive");
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    CHECK_FALSE(process.read_line(in(20s)));
    CHECK(process.ending() == "was ended by signal 15");
    CHECK(getpgid(static_cast<pid_t>(other.pid())) != getpgid(0));
    close(file);
    // The other's input must not be held open by any process that was started after it.
    Process third = shell("exec cat");
    other.end(20s);
    CHECK(other.ending() == "exited with code 0");
}

TEST_CASE("what cannot be started") {
    const auto missing = Process::start({"/nowhere/maskbus"});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == "child_died");
    CHECK(missing.error().message.find("/nowhere/maskbus") != std::string::npos);
    CHECK_FALSE(Process::start({}));
    CHECK(waitpid(-1, nullptr, WNOHANG) == -1);  // no process of ours is left anywhere
}

TEST_CASE("a parent that ignores the end of its children") {
    const auto before = std::signal(SIGCHLD, SIG_IGN);
    Process process = shell("exit 3");
    CHECK_FALSE(process.read_line(in(20s)));
    CHECK(process.has_ended());
    std::signal(SIGCHLD, before);
}

#endif
