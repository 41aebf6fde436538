// A fiber: a stack of its own on a thread, and where it stands. Sanitizers are told of every change from one to another.
#pragma once
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include "types.h"
#if defined(__x86_64__) && !defined(ENGINE_UCONTEXT)
#define FIBER_SWAP
#else
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

// Who has the thread is not what ThreadSanitizer is to watch: it takes each fiber for a thread.
#define UNWATCHED __attribute__((no_sanitize_thread, noinline))

// SYNC met: what is released at a word is had by those who acquire it there later. Told to ThreadSanitizer alone, since it is one thread.
inline void release_to([[maybe_unused]] void* word) {
#ifdef __SANITIZE_THREAD__
    __tsan_release(word);
#endif
}
inline void acquire_from([[maybe_unused]] void* word) {
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(word);
#endif
}

class Fiber {
  public:
    // The thread itself, as it stands: what it changes to others from.
    Fiber() {
#ifdef __SANITIZE_THREAD__
        seen = __tsan_get_current_fiber();
#endif
    }
    // One that begins with `start`, which never returns.
    explicit Fiber(void (*start)()) : bytes(GUARD + STACK) {
        stack = (u8*)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED || mprotect(stack, GUARD, PROT_NONE) != 0) {
            perror("fibers: the system gives no stack");
            abort();
        }
#ifdef __SANITIZE_ADDRESS__
        bottom = stack + GUARD, size = STACK;
#endif
#ifdef __SANITIZE_THREAD__
        seen = __tsan_create_fiber(0);
#endif
#ifdef FIBER_SWAP
        // As if it had been called from nowhere and had changed to another at once.
        void** const top = (void**)(stack + bytes);
        at = top - 8;
        top[-2] = (void*)start;
#else
        getcontext(&at);
        at.uc_stack.ss_sp = stack + GUARD;
        at.uc_stack.ss_size = STACK;
        makecontext(&at, start, 0);
#endif
    }
    ~Fiber() {
        if (!stack) return;
#ifdef __SANITIZE_ADDRESS__
        __asan_unpoison_memory_region(stack, bytes);
#endif
#ifdef __SANITIZE_THREAD__
        __tsan_destroy_fiber(seen);
#endif
        munmap(stack, bytes);
    }
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Goes on with `to`, until somebody changes back; with `ends`, nobody does.
    UNWATCHED void change(Fiber& to, [[maybe_unused]] bool ends = false) {
#ifdef __SANITIZE_ADDRESS__
        __sanitizer_start_switch_fiber(ends ? nullptr : &fake, to.bottom, to.size);
        to.before = this;
#endif
#ifdef __SANITIZE_THREAD__
        __tsan_switch_to_fiber(to.seen, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef FIBER_SWAP
        swap(&at, to.at);
#else
        swapcontext(&at, &to.at);
#endif
        has_come();
    }
    // Has the thread: the first that `start` says, and behind each change.
    UNWATCHED void has_come() {
#ifdef __SANITIZE_ADDRESS__
        // Only of a thread is it not known where its stack is.
        __sanitizer_finish_switch_fiber(fake, &before->bottom, &before->size);
#endif
    }

  private:
    static constexpr size_t STACK = 256 << 10, GUARD = 64 << 10;
    u8* stack = nullptr;
    size_t bytes = 0;
#ifdef __SANITIZE_ADDRESS__
    const void* bottom = nullptr;
    size_t size = 0;
    void* fake = nullptr;
    Fiber* before = nullptr;
#endif
#ifdef __SANITIZE_THREAD__
    void* seen = nullptr;
#endif
#ifdef FIBER_SWAP
    void* at = nullptr;
    // Keeps what a call has to keep, and where it stands.
    __attribute__((naked, noinline, no_sanitize_thread)) static void swap([[maybe_unused]] void** from, [[maybe_unused]] void* to) {
        asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
            "mov %rsp, (%rdi)\n"
            "mov %rsi, %rsp\n"
            "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
            "ret");
    }
#else
    ucontext_t at{};
#endif
};
