#!/usr/bin/perl

# Seeds of the target "replies": replies as Redis sends them.

use strict;
use warnings;

my ($dir) = @ARGV;

my @grant = (1_700_000_000, 3_600_000, 5000, 5000, 0, 0);

my %seeds = (
    grant => "\0\xff" . list(1, 0, 0, @grant),
    grants => "\3\xff" . list(1, 0, 0, (@grant) x 4),
    documents => "\4\x10" . list(1, 0, 0, @grant, 3, 1),
    beat => "\0\1" . list(1, 0, 7, 2, 1_700_000_000_000),
    habit => "\0\7" . list(1, 0, 7, 20_000, 3_600_000, 19_000, 20_000, 20_000,
                           1),
    error => "\0\xff-NOSCRIPT No matching script\r\n",
    texts => "\0\xff*2\r\n\$3\r\nabc\r\n\$-1\r\n",
    role => "\0\xff*3\r\n" . text('master') . ":1\r\n*0\r\n",
    primary => "\0\xff*2\r\n" . text('127.0.0.1') . text('6379'),
    switched => "\0\xff*3\r\n" . text('message') . text('+switch-master')
                . text('main 127.0.0.1 6379 ::1 6380'),
    moved => "\0\xff-MOVED 3999 127.0.0.1:6381\r\n",
    slots => "\0\xff*1\r\n*4\r\n:0\r\n:5460\r\n"
             . ("*4\r\n" . text('127.0.0.1') . ":30001\r\n" . text('f' x 40)
                . "*0\r\n") x 2,
    nested => "\0\xff" . "*1\r\n" x 5 . ":1\r\n",
);

for my $name (keys %seeds) {
    open my $fh, '>:raw', "$dir/$name" or die "$dir/$name: $!";
    print $fh $seeds{$name};
    close $fh;
}

sub list {
    return '*' . @_ . "\r\n" . join '', map { ":$_\r\n" } @_;
}

sub text { return '$' . length($_[0]) . "\r\n$_[0]\r\n" }
