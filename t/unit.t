#!/usr/bin/perl

# The pure rooms: each t/unit/*.c includes what it tests, is compiled by gcc and
# clang with no warning, and run.

use strict;
use warnings;

use FindBin;
use File::Basename qw(basename);
use File::Temp qw(tempdir);
use Test::More;

my $top = "$FindBin::Bin/..";
my $dir = $ENV{TEST_COVERAGE} // tempdir(CLEANUP => 1);

my @flags = ('-std=c99', '-O2', '-Wall', '-Wextra', '-Werror',
             "-I$top/module/policy", "-I$top/module/facts",
             "-I$top/module/report");

push @flags, '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'
    if $ENV{TEST_SANITIZE};

# what gcc's leave beside them is read by t/lib/coverage-report

my %counted = (gcc => $ENV{TEST_COVERAGE} ? ['-O0', '--coverage'] : []);

for my $source (sort glob "$top/t/unit/*.c") {
    my $name = basename($source, '.c');
    my $text = slurp($source);
    my @libraries = ('-lm', $text =~ /<cmocka\.h>/ ? '-lcmocka' : (),
                            $text =~ /"gate_mmdb\./ ? '-lmaxminddb' : ());

    for my $cc (qw(clang gcc)) {
        is(run($cc, @flags, @{ $counted{$cc} // [] }, $source, '-o',
               "$dir/$name", @libraries),
           0, "$name: compiled by $cc") or diag(slurp("$dir/log"));
    }

    is(run("$dir/$name"), 0, "$name: passed") or diag(slurp("$dir/log"));
}

# what the road includes of the pure rooms compiles by itself, too

for my $source (sort glob "$top/module/*/gate_*.c") {
    is(run('gcc', @flags, '-c', $source, '-o', "$dir/o"), 0,
       basename($source) . ': is C99') or diag(slurp("$dir/log"));
}

done_testing();


sub run {
    my (@command) = @_;

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        exec @command;
        exit 127;
    }

    waitpid $pid, 0;

    return $?;
}


sub slurp {
    my ($file) = @_;

    open my $fh, '<', $file or return '';
    local $/;
    return <$fh> // '';
}
