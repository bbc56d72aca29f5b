#if !defined(_WIN32)

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "maskbus/shm/process.hpp"

#if !defined(__linux__)
extern char** environ;  // which no header there declares
#endif

namespace maskbus::shm {

struct Process::State {
    pid_t pid = -1;
    int input = -1;
    int output = -1;
    std::string ending = {};
};

namespace {

constexpr std::size_t longest_line = 64 * 1024;
constexpr std::chrono::milliseconds default_patience{5'000};

Error failed(const std::string& program, int problem) {
    return {codes::child_died, "The child " + program + " cannot be started: " + std::strerror(problem) + "."};
}

void close_file(int& file) {
    if (file >= 0) {
        close(file);
        file = -1;
    }
}

/// Two ends of a pipe that no other program inherits, neither of them a standard one, which the child gets as such.
bool make_pipe(int (&ends)[2]) {
#if defined(__linux__)
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
#else
    if (pipe(ends) != 0) {
        return false;
    }
#endif
    for (int& end : ends) {
        const int above = fcntl(end, F_DUPFD_CLOEXEC, 3);
        close_file(end);
        end = above;
    }
    return ends[0] >= 0 && ends[1] >= 0;
}

/// The child begins with no signal blocked or ignored, and in a process group of its own: Ctrl-C in a terminal is for
/// the parent.
int spawn(pid_t& pid, const std::vector<std::string>& command, int input, int output) {
    std::vector<char*> words;
    words.reserve(command.size() + 1);
    for (const std::string& word : command) {
        words.push_back(const_cast<char*>(word.c_str()));
    }
    words.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    sigset_t none;
    sigset_t plain;
    sigemptyset(&none);
    sigemptyset(&plain);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) {
        sigaddset(&plain, number);
    }
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &plain);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    const int problem = posix_spawnp(&pid, words[0], &files, &attributes, words.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return problem;
}

std::string describe(int status) {
    if (WIFSIGNALED(status)) {
        return "was ended by signal " + std::to_string(WTERMSIG(status));
    }
    return "exited with code " + std::to_string(WEXITSTATUS(status));
}

/// Wait until something can be read, or the time; false where it was the time.
bool wait_readable(int file, Process::TimePoint until) {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return false;
        }
        pollfd wanted = {file, POLLIN, 0};
        const int found = poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
        if (found > 0) {
            return true;
        }
        if (found < 0 && errno != EINTR) {
            return false;
        }
    }
}

}  // namespace

Result<Process> Process::start(const std::vector<std::string>& command) {
    if (command.empty()) {
        return Error{codes::invalid_argument, "There is no command to start.", "command"};
    }
    int input[2] = {-1, -1};
    int output[2] = {-1, -1};
    auto state = std::make_unique<State>();
    const bool piped = make_pipe(input) && make_pipe(output);
    const int problem = piped ? spawn(state->pid, command, input[0], output[1]) : errno;
    close_file(input[0]);
    close_file(output[1]);
    if (problem != 0) {
        close_file(input[1]);
        close_file(output[0]);
        return failed(command[0], problem);
    }
    state->input = input[1];
    state->output = output[0];
    fcntl(state->output, F_SETFL, O_NONBLOCK);
    return Process(std::move(state));
}

Process::Process(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Process::Process(Process&& other) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        end(default_patience);
        state_ = std::move(other.state_);
    }
    return *this;
}

Process::~Process() {
    end(default_patience);
}

Result<std::string> Process::read_line(TimePoint until) {
    std::string line;
    while (wait_readable(state_->output, until)) {
        char letter = 0;
        const ssize_t found = read(state_->output, &letter, 1);
        if (found == 1 && letter == '\n') {
            return line;
        }
        if (found == 1 && line.size() < longest_line) {
            line += letter;
        } else if (found == 0) {
            end(default_patience);
            return Error{codes::child_died, "The child " + state_->ending + " before it was ready."};
        } else if (found == 1) {
            return Error{codes::child_died, "The child printed no line where its ready line was due."};
        }
    }
    return Error{codes::child_died, "The child was not ready in time."};
}

bool Process::has_ended() {
    if (!state_->ending.empty()) {
        return true;
    }
    int status = 0;
    pid_t found = 0;
    do {
        found = waitpid(state_->pid, &status, WNOHANG);
    } while (found < 0 && errno == EINTR);
    if (found != 0) {
        // Whoever ignores SIGCHLD has its children's ends taken away by the system.
        state_->ending = found < 0 ? "ended" : describe(status);
        return true;
    }
    char thrown_away[4096];
    ssize_t count = 1;
    while (state_->output >= 0 && count > 0) {
        count = read(state_->output, thrown_away, sizeof thrown_away);
    }
    if (count == 0) {
        close_file(state_->output);  // a process that closes it and lives on is looked after now and then
    }
    return false;
}

const std::string& Process::ending() const noexcept {
    return state_->ending;
}

void Process::end(std::chrono::milliseconds patience) {
    if (state_ == nullptr) {
        return;
    }
    close_file(state_->input);
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!has_ended()) {
        if (std::chrono::steady_clock::now() >= until) {
            kill(state_->pid, SIGKILL);
        }
        // There is no wait for a process with a time-out that POSIX knows of.
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    close_file(state_->output);
}

std::int64_t Process::pid() const noexcept {
    return state_->pid;
}

int Process::output() const noexcept {
    return state_->output;
}

}  // namespace maskbus::shm

#endif
