// Integer names of the wire layouts, the same for nvcc and the host compiler. No system headers.
#pragma once
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;
